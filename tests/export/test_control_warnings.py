"""Warnings about controls: one for all controls whose numbers of clips are equal."""

from dataclasses import replace

from metric_settings import SETTINGS

from dvdgan.evaluation.measurement import Metric
from dvdgan.export.results import Results, control_warnings


def metrics(clips: int = 256, split: str = "train") -> dict[str, Metric]:
    settings = replace(SETTINGS, clips=clips, real_split=split)
    return {name: Metric(name, 1.0, settings) for name in ("FID", "FVD", "IS")}


def test_controls_with_equal_numbers_share_a_warning() -> None:
    controls = {"mean clip": metrics(96), "real": metrics(96), "untrained": metrics()}
    results = Results(metrics(), controls | {"shuffled": metrics(96), "few": metrics(32)})
    assert control_warnings(results) == [
        "each of the controls 'mean clip', 'real' and 'shuffled' has 96 clips, the generated set "
        "256; fewer clips inflate a Frechet distance",
        "the control 'few' has 32 clips, the generated set 256; fewer clips inflate a Frechet "
        "distance",
    ]


def test_another_split_of_real_clips_is_named() -> None:
    results = Results(metrics(), {"unseen": metrics(split="test")})
    assert control_warnings(results) == [
        "the control 'unseen' is compared with 640 test clips, the generated set with 640 train "
        "clips"
    ]
    assert control_warnings(Results(metrics(), {"untrained": metrics()})) == []

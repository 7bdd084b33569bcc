"""One name, one number: every option that moves a number of a comparison is in its name."""

from pathlib import Path

import pytest
import typer
from compared_sets import ARRAYS, BRIGHT, CUBE, FOLDERS, SHARDS, evaluate, numbers

from dvdgan.cli import app

# Option -> what is run, and with which values. The metrics differ, and so must their names.
MOVING: dict[str, tuple[list[str], list[list[str]]]] = {
    "real": (ARRAYS[:1], [["--real=reals.npy"], ["--real=bright.npy", "--real-range=[0, 1]"]]),
    "protocol": (ARRAYS, [["--protocol=self_trained"], ["--protocol=unterthiner_fvd"]]),
    "network": (ARRAYS, [["--network=artifacts/features/small_i3d"], ["--network=other"]]),
    "frames": (FOLDERS[:2], [["--frames=4"], ["--frames=5"]]),
    "stride": (FOLDERS, [["--stride=1"], ["--stride=2"], ["--stride=3"]]),
    "generated_stride": (FOLDERS, [[], ["--generated-stride=2"], ["--generated-stride=3"]]),
    "window": (FOLDERS, [["--window=first"], ["--window=centre"], ["--window=random"]]),
    "resolution": (FOLDERS, [["--resolution=40"], ["--resolution=32"]]),
    "split": (SHARDS, [["--split=train"], ["--split=test"]]),
    "generated_layout": (
        [*CUBE[:2], "--real-layout=NTCHW"],
        [["--generated-layout=NTCHW"], ["--generated-layout=NCTHW"]],
    ),
    "real_layout": (CUBE, [["--real-layout=NTCHW"], ["--real-layout=NCTHW"]]),
    "generated_range": (
        [*BRIGHT[:2], "--real-range=[0, 1]"],
        [["--generated-range=[0, 1]"], ["--generated-range=[-1, 1]"]],
    ),
    "real_range": (BRIGHT, [["--real-range=[0, 1]"], ["--real-range=[-1, 1]"]]),
}
# They describe the clips and do not change the metrics; the name contains them.
CLAIMING = {"given_frames": (ARRAYS, [[], ["--given-frames=1"], ["--given-frames=2"]])}
# Neither number nor name changes.
SILENT = {
    "max_refused": (FOLDERS, [[], ["--max-refused=0.5"]]),
    "write": (ARRAYS, [[], ["--write=elsewhere.json"]]),
}
# What is measured, as in the JSON's sources: models are compared under one name.
SUBJECT = {"generated"}
# Refused beside --generated and --real.
ELSEWHERE = {"params", "checkpoint"}


def test_every_option_is_in_one_of_the_lists() -> None:
    options = {each.name for each in typer.main.get_command(app).commands["evaluate"].params}
    listed = [*MOVING, *CLAIMING, *SILENT, *SUBJECT, *ELSEWHERE]
    assert sorted(listed) == sorted(options)


@pytest.mark.parametrize("option", MOVING)
def test_an_option_that_moves_a_number_changes_its_name(work: Path, option: str) -> None:
    words, ways = MOVING[option]
    found = [numbers(work, *words, *way) for way in ways]
    assert len({each["FVD"]["value"] for each in found}) == len(ways), "it moves nothing here"
    for metric in found[0].keys() & found[1].keys():
        by_name: dict[str, float] = {}
        for each in found:
            number = each[metric]
            value = by_name.setdefault(number["name"], number["value"])
            assert number["value"] == pytest.approx(value, rel=1e-6, abs=1e-12), number["name"]
    protocols = [each["FVD"]["protocol"] for each in found]
    assert all(protocols.count(each) == 1 for each in protocols)


@pytest.mark.parametrize("option", CLAIMING)
def test_what_is_claimed_of_clips_is_in_the_name(work: Path, option: str) -> None:
    words, ways = CLAIMING[option]
    found = [numbers(work, *words, *way)["FVD"] for way in ways]
    assert len({each["value"] for each in found}) == 1
    assert len({each["name"] for each in found}) == len(ways)


@pytest.mark.parametrize("option", SILENT)
def test_an_option_that_moves_no_number_changes_no_name(work: Path, option: str) -> None:
    words, ways = SILENT[option]
    one, other = (numbers(work, *words, *way) for way in ways)
    assert one == other


@pytest.mark.parametrize("option", sorted(ELSEWHERE))
def test_options_of_other_measurements_are_refused(work: Path, option: str) -> None:
    code, output, _ = evaluate(work, *ARRAYS, f"--{option}=x")
    assert code != 0 and f"does not use --{option}" in output


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([*FOLDERS, "--generated-stride=2"], "(stride 2) vs"),
        ([*FOLDERS, "--window=centre"], "36 clips (centre window) vs 36 reals@"),
        ([*FOLDERS, "--resolution=32"], "4x32x32 stride 1, 36 clips (resized) vs"),
        ([*BRIGHT, "--real-range=[-1, 1]"], "36 clips (levels [0, 1]) vs 36 bright.npy@"),
        ([*CUBE, "--real-layout=NTCHW"], "36 clips (NTCHW) vs 36 cube.npy@"),
        (["--generated=shards", "--real=reals.npy", "--split=test"], "36 clips (test split) vs"),
        (ARRAYS, "logits, 4x40x40 stride 1, 36 clips vs 36 reals.npy@"),
    ],
)
def test_a_name_contains_what_differs_from_the_default(
    work: Path, words: list[str], part: str
) -> None:
    assert part in numbers(work, *words)["FVD"]["name"]

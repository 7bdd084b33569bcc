"""Frame prediction is a params change: the same stages train, export, measure and show it."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from s3_server import s3_server, upload
from tiny_pipeline import ALL, T, run_stages, tiny
from warm_commands import WarmCommands

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import ConditioningFrames
from dvdgan.data.shard_source import open_shards
from dvdgan.errors import UserError
from dvdgan.export.sampler import Sampler
from dvdgan.reporting.scores import metrics_by_name
from dvdgan.stages import evaluate, export, features, train
from dvdgan.stages.artefacts import EVALUATE, FEATURES, MODEL, REFERENCE, REPORT, SHARDS, TRAIN
from dvdgan.storage.local import read_json
from dvdgan.video.grid import GIVEN

C = 2


@pytest.fixture(scope="module")
def finished(
    synthetic_videos: Path, trained_copy: Callable[[str], Path], warm: WarmCommands
) -> Path:
    """A folder in which every stage after shard has run, its shards in a store; then here too.

    Up to train the store is S3, then a folder, whose requests cost less.
    """
    folder = trained_copy("prediction")
    params = tiny(synthetic_videos)
    params["model"] |= {"conditioning_frames": C, "recurrent_channels": 6}
    with s3_server("videos"), pytest.MonkeyPatch.context() as patch:
        upload(folder / SHARDS, "videos", "tiny")
        patch.setenv("DVDGAN_SHARDS", "s3://videos/tiny")
        (folder / SHARDS).rename(folder / "away")
        run_stages(params, folder, ALL[ALL.index(features) : ALL.index(train)])
        warm.run(folder, "dvdgan", "train")
        patch.setenv("DVDGAN_SHARDS", str(folder / "away"))
        run_stages(params, folder, ALL[ALL.index(export) :])
    (folder / "away").rename(folder / SHARDS)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("artefact", [FEATURES, REFERENCE], ids=str)
def test_what_is_made_from_shards_in_a_store_is_what_is_made_from_local_ones(
    finished: Path, trained: Path, artefact: Path
) -> None:
    assert files(finished / artefact) == files(trained / artefact)


def test_a_checkpoint_measured_from_a_store_has_the_numbers_of_local_shards(
    finished: Path, tmp_path: Path
) -> None:
    # The copied run of another model lies beside it.
    kept = max(
        finished.glob(".runs/train/*/evaluations/*/step-*.json"), key=lambda p: p.stat().st_mtime
    )
    checkpoint = kept.parents[2] / "checkpoints" / kept.stem
    with contextlib.chdir(finished):
        evaluate.run_checkpoint(checkpoint, tmp_path / "local.json")
    assert read_json(tmp_path / "local.json") == read_json(kept)


def test_a_store_of_other_shards_than_those_here_is_refused(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.json").write_text('{"shards": []}')
    monkeypatch.setenv("DVDGAN_SHARDS", str(tmp_path))
    with pytest.raises(UserError, match="are not those in"):
        open_shards(finished / SHARDS)
    (tmp_path / "index.json").unlink()
    with pytest.raises(UserError, match="the shards do not exist"):
        open_shards(finished / SHARDS)


def test_every_number_says_what_was_given(finished: Path) -> None:
    document = read_json(finished / EVALUATE / "results.json")
    controls = document["controls"]
    given = {
        "generated": (document["generated"], C, "train"),
        "last given frame repeated": (controls["last given frame repeated"], C, "train"),
        "generated from test clips": (controls["generated from test clips"], C, "test"),
        "real test clips": (controls["real test clips"], 0, None),
        "mean clip": (controls["mean clip"], 0, None),
    }
    for who, (metrics, frames, split) in given.items():
        for metric in metrics.values():
            protocol = metric["protocol"]
            assert protocol["conditioning_frames"] == frames, who
            assert protocol["conditioning_split"] == split, who
            assert (f"{frames} {split} frames given" in metric["name"]) == bool(frames), who
    unseen = metrics_by_name(controls["generated from test clips"])["FVD"]
    assert unseen["protocol"]["real_split"] == "test"
    assert any(
        "'generated from test clips' is compared with" in each for each in document["warnings"]
    )


def test_the_bundle_continues_a_real_clip(finished: Path) -> None:
    sampler = Sampler.load(finished / MODEL)
    assert sampler.conditioning_frames == C
    source = ConditioningFrames(ClipDataset(finished / SHARDS, "test", 32, T, 1), 0, C)
    labels = torch.zeros(3, dtype=torch.int64)
    videos = sampler.sample(labels, 0, conditioning=source[0:3])
    assert torch.equal(videos, sampler.sample(labels, 0, conditioning=source))  # read as needed
    assert videos.shape == (3, T, 3, 32, 32)
    assert torch.equal(videos[:, :C], source[0:3])
    card = (finished / MODEL / "README.md").read_text(encoding="utf-8")
    assert f"from {C} frames it predicts the next {T - C}" in card


def test_the_sheet_shows_given_frames_marked_the_prediction_and_the_truth(finished: Path) -> None:
    (sheet,) = (finished / TRAIN / "samples").glob("*.png")
    pixels = np.asarray(Image.open(sheet))
    assert pixels.shape == (8 * 34 + 2, T * 34 + 2, 3)
    rows = [pixels[2 + 34 * row : 34 + 34 * row] for row in range(8)]

    def frame(row: int, column: int) -> np.ndarray:
        return rows[row][:, 2 + 34 * column : 34 + 34 * column].astype(int)

    source = ConditioningFrames(ClipDataset(finished / SHARDS, "train", 32, T, 1), 0, C)
    truth, _ = source.clips(slice(0, 4))
    for pair in range(4):
        for column in range(T):
            real = truth[pair, column].permute(1, 2, 0).numpy()
            assert (frame(2 * pair + 1, column) == real).all()
            assert (frame(2 * pair, column) == real).all() == (column < C)
    framed = (pixels == GIVEN).all(axis=2)
    assert framed[:, 0].all()
    assert not framed[:, C * 34 + 2 :].any()


def test_the_page_shows_predictions_above_real_videos(finished: Path) -> None:
    page = (finished / REPORT / "index.html").read_text(encoding="utf-8")
    assert f"continues {C} given frames" in page
    assert "<figcaption>predicted</figcaption>" in page
    assert "and the real videos" in page
    assert "generates for a class" not in page

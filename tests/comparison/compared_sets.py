"""Sets of clips of every kind, and the command that compares them."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kept_statistics import keep_statistics
from raw_index import manifest_of, section
from typer.testing import CliRunner

from dvdgan.cli import app
from dvdgan.config.schema import Shard
from dvdgan.data.inspection import Limits
from dvdgan.data.raw_root import LocalRoot
from dvdgan.data.shards import plan_shards, write_index, write_shards
from dvdgan.evaluation.networks.feature_network import FeatureNetwork, save_feature_network
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.reporting.scores import metrics_by_name
from dvdgan.storage.local import read_json
from dvdgan.video.preprocessing import Preprocessing

CLASSES = ["bend", "jack", "wave"]
SIZE, LENGTH, COUNT = 40, 11, 36

ARRAYS = ["--generated=fakes.npy", "--real=reals.npy"]
FOLDERS = ["--generated=fakes", "--real=reals", "--frames=4"]
SHARDS = ["--generated=fakes.npy", "--real=shards", "--frames=4"]
BRIGHT = ["--generated=bright.npy", "--real=bright.npy", "--generated-range=[0, 1]"]
CUBE = ["--generated=cube.npy", "--real=cube.npy", "--generated-layout=NTCHW"]


def squares(count: int, seed: int, size: int = SIZE, frames: int = LENGTH) -> np.ndarray:
    """Clips (count, frames, size, size, 3) of a square that speeds up, over noise."""
    draws = np.random.default_rng(seed)
    clips = draws.integers(0, 60, (count, frames, size, size, 3))
    for clip in clips:
        top, left = draws.integers(0, size - 22, 2)
        level = draws.integers(100, 255, 3)
        for time, frame in enumerate(clip):
            at = left + time * time // 8
            frame[top : top + 8, at : at + 8] = level
    return clips.astype(np.uint8)


def save_network(folder: Path, name: str, seed: int) -> None:
    torch.manual_seed(seed)
    save_feature_network(folder, name, SmallI3D(3, 4).eval(), CLASSES, width=4)


def save_shards(root: Path, videos: Path) -> None:
    """36 videos to train on and 36 to test, stored at 40 px."""
    index = section(videos, test_fraction=0.5, min_short_side=8, max_pixels=10**6)
    manifest = manifest_of(index, root / "outcomes", limits=Limits(8, 10**6, 4, 1))
    params = Shard(short_side=SIZE, quality=95, videos_per_shard=40)
    plans = plan_shards(manifest.videos, params.videos_per_shard)
    write_shards(plans, LocalRoot(videos), params, root, workers=1)
    write_index(plans, params, "test", root)


def save_statistics(root: Path, stride: int) -> None:
    """Statistics of real clips at a stride, as `dvdgan reference` keeps them."""
    network = FeatureNetwork.load(root / "artifacts" / "features" / "small_i3d")
    clips = torch.from_numpy(squares(COUNT, 0)[:, : 4 * stride : stride]).permute(0, 1, 4, 2, 3)
    folder = root / "statistics" / "self_trained"
    keep_statistics(folder, network, clips.contiguous(), stride, Preprocessing(stride, "even"))


def evaluate(work: Path, *words: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, what was printed, and the document, of `dvdgan evaluate WORDS`."""
    written = [word for word in words if word.startswith("--write=")] or ["--write=results.json"]
    with contextlib.chdir(work):
        Path("results.json").unlink(missing_ok=True)
        done = CliRunner().invoke(app, ["evaluate", *dict.fromkeys([*words, *written])])
        path = Path(written[0].removeprefix("--write="))
        document = read_json(path) if path.is_file() else {}
    output = done.output + ("" if done.exception is None else str(done.exception))
    return done.exit_code, output, document


def numbers(work: Path, *words: str) -> dict[str, dict[str, Any]]:
    """The metrics of the generated clips, by metric."""
    code, output, document = evaluate(work, *words)
    assert code == 0, output
    metrics = metrics_by_name(document["generated"])
    for key, metric in document["generated"].items():
        assert metric["name"] in output
        assert (key in metrics) is False and "." not in key
    return metrics

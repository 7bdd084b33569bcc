"""What is compared, and how it is kept quick."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compared_sets import (
    CLASSES,
    COUNT,
    save_network,
    save_shards,
    save_statistics,
    squares,
)

from dvdgan import protocols
from dvdgan.evaluation import measurement
from dvdgan.evaluation.confidence import half_sampling
from dvdgan.evaluation.networks import feature_network
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.video.encode import encode_mp4


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with networks, arrays, videos, shards and statistics."""
    root = tmp_path_factory.mktemp("work")
    save_network(root / "artifacts" / "features" / "small_i3d", "small_i3d", 0)
    save_network(root / "other", "small_i3d", 1)
    save_network(root / "weights" / "i3d_k400", "i3d_k400", 2)
    for name, seed in (("reals", 0), ("fakes", 1)):
        clips = squares(COUNT, seed)
        np.save(root / f"{name}.npy", clips[:, :4])
        (root / name).mkdir()
        for number, clip in enumerate(clips):
            (root / name / f"{number:02d}.mp4").write_bytes(encode_mp4(clip, 25))
    np.save(root / "bright.npy", (squares(COUNT, 2)[:, :4] / 255).astype(np.float32))
    np.save(root / "cube.npy", squares(COUNT, 3, frames=3).transpose(0, 1, 4, 2, 3))
    for number, clip in enumerate(squares(2 * COUNT, 4)):
        folder = root / "videos" / CLASSES[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:02d}.mp4").write_bytes(encode_mp4(clip, 25))
    save_shards(root, root / "videos")
    save_statistics(root, stride=2)
    return root


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few splits for intervals, a small network for the published one."""

    def fewer(statistic: Any, *sets: Any, splits: int) -> Any:
        return half_sampling(statistic, *sets, splits=2)

    monkeypatch.setattr(measurement, "half_sampling", fewer)
    small = replace(protocols.PROTOCOLS["unterthiner_fvd"], fewest_clips=32, fewest_frames=2)
    monkeypatch.setitem(protocols.PROTOCOLS, "unterthiner_fvd", small)
    monkeypatch.setitem(feature_network.BUILD, "i3d_k400", lambda _: SmallI3D(3, 4))

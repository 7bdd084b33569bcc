"""A tiny run: params, shards of synthetic videos, and a run folder ready to train in."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tiny_run import CLIP, MODEL, TRAIN
from trainer_processes import Nursery

from dvdgan.config import load_config, parse_config
from dvdgan.config.schema import RunSettings
from dvdgan.guard.run_folder import RunFolder
from dvdgan.stages import index, shard
from dvdgan.stages.artefacts import SHARDS
from dvdgan.storage.local import write_json

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def one_thread_and_a_fixed_seed() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_shards(synthetic_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    params = load_config(PROJECT / "presets" / "demo.yaml").model_dump()
    params["clip"] = CLIP.model_dump()
    params["index"]["root"] = str(synthetic_videos)
    config = parse_config(params)
    folder = tmp_path_factory.mktemp("tiny_shards")
    with contextlib.chdir(folder):
        index.run(config, workers=1)
        shard.run(config, workers=1)
    return folder / SHARDS


@pytest.fixture(scope="session")
def new_run(
    tiny_shards: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., RunFolder]:
    """Make a run folder of the tiny params, with changes to section `train`."""

    def make(name: str, **changes: int) -> RunFolder:
        run = RunFolder(tmp_path_factory.mktemp(name))
        settings = RunSettings(
            clip=CLIP,
            model=MODEL,
            train=TRAIN.model_copy(update=changes),
            shards=str(tiny_shards),
            features="not used by a trainer",
            reference="not used by a trainer",
            protocol="self_trained",
            fingerprint="0123456789abcdef",
        )
        write_json(run.settings, settings.model_dump())
        return run

    return make


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()

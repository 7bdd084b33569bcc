"""What the checks need to know of a run, read in this one place."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dvdgan.config import load_config
from dvdgan.machine import Machine

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model, Train

SHARDS, RUNS = Path("artifacts/shards"), Path(".runs")


@dataclass(frozen=True)
class DoctorSettings:
    """The params of a run, and where it would run."""

    clip: "Clip"
    model: "Model"
    train: "Train"
    protocols: tuple[str, ...]
    """features.protocols."""
    videos: str
    """index.root."""
    machine: Machine
    seconds: float
    """Time limit of each check."""


def read_settings(params: Path, seconds: float) -> DoctorSettings:
    """Raises UserError as `load_config` and `Machine.load` do."""
    config, machine = load_config(params), Machine.load()
    return DoctorSettings(
        clip=config.clip,
        model=config.model,
        train=config.train,
        protocols=tuple(config.features.protocols),
        videos=config.index.root,
        machine=machine,
        seconds=seconds,
    )

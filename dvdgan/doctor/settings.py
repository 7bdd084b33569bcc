"""What the checks need to know of a run, read in this one place."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dvdgan.config import load_config
from dvdgan.guard.environment import RunEnvironment

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
    environment: RunEnvironment
    prefect_api: str | None
    """PREFECT_API_URL."""


def read_settings(params: Path) -> DoctorSettings:
    """Raises UserError as `load_config` and `RunEnvironment.from_environment` do."""
    config = load_config(params)
    return DoctorSettings(
        clip=config.clip,
        model=config.model,
        train=config.train,
        protocols=tuple(config.features.protocols),
        videos=config.index.root,
        environment=RunEnvironment.from_environment(),
        prefect_api=os.environ.get("PREFECT_API_URL") or None,
    )

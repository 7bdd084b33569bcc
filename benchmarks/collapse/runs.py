"""Which runs there are: trunks.csv, trained from the beginning; branches.csv, which leave a trunk.

Nothing is done to a trunk. A branch goes on from a checkpoint of its trunk with other draws, as a
run does after a rollback, and with its own learning rates, batch and D steps: so many runs past
their beginning cost no more than their own steps. A fault strikes it at a step of its own, or
(healthy) none does.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from fault import Fault
from kinds import FAULTS, HARD

from dvdgan.config.schema import Config, RunSettings

HERE = Path(__file__).resolve().parent

# Steps from one evaluated checkpoint of a branch to the next.
PERIOD = 10
HEALTHY = "healthy"


@dataclass(frozen=True)
class Trunk:
    """A row of trunks.csv: a run from the beginning, to which nothing is done."""

    name: str
    split: str
    """fit: thresholds were found on it; held_out: they were not."""
    kind: str
    """healthy, or too bold: ordinary params of which a collapse is expected. What became of it is
    decided by its evaluations (assemble.py)."""
    data: str
    seed: int
    steps: int
    period: int
    """Steps from one evaluated checkpoint to the next."""
    generator_channels: int
    discriminator_channels: int
    batch_size: int
    generator_learning_rate: float
    discriminator_learning_rate: float
    adam_beta1: float
    adam_beta2: float
    discriminator_steps: int
    phi: str
    spatial_frames: int
    recurrence: str

    def settings(self, config: Config, artefacts: Path) -> RunSettings:
        """What its trainer is started with. ``config``: of its data set."""
        model = {
            "generator_channels": self.generator_channels,
            "discriminator_channels": self.discriminator_channels,
            "latent_dim": 16,
            "class_dim": 16,
            "phi": self.phi,
            "spatial_frames": self.spatial_frames,
            "recurrence": self.recurrence,
        }
        train = {
            "steps": self.steps,
            "batch_size": self.batch_size,
            "discriminator_steps": self.discriminator_steps,
            "generator_learning_rate": self.generator_learning_rate,
            "discriminator_learning_rate": self.discriminator_learning_rate,
            "adam_beta1": self.adam_beta1,
            "adam_beta2": self.adam_beta2,
            "ema_decay": 0.95,
            "ema_start": 10,
            "checkpoint_every": self.period,
            "preview_every": self.period,
            "seed": self.seed,
            "guard": config.train.guard.model_copy(update={"samples": 48}),
        }
        return RunSettings(
            clip=config.clip,
            model=config.model.model_copy(update=model),
            train=config.train.model_copy(update=train),
            shards=str(artefacts / "shards"),
            features=str(artefacts / "features"),
            reference=str(artefacts / "reference"),
            protocol="self_trained",
            fingerprint=self.name,
        )


@dataclass(frozen=True)
class Branch:
    """A row of branches.csv."""

    name: str
    trunk: str
    begin: int
    """The trunk's checkpoint it goes on from."""
    steps: int
    """The last one."""
    seed: int
    rate: float
    """Learning rates as a multiple of the trunk's."""
    batch_size: int
    discriminator_steps: int
    kind: str
    """Of fault; healthy: none."""
    variant: str
    onset: int
    """The first step under the fault; 0: none."""

    @property
    def fault(self) -> Fault | None:
        return None if self.kind == HEALTHY else FAULTS[self.kind][self.variant]

    @property
    def hard(self) -> bool:
        return self.kind in HARD

    def settings(self, trunk: RunSettings) -> RunSettings:
        """Those of its trunk, changed."""
        train = trunk.train.model_copy(
            update={
                "steps": self.steps,
                "seed": self.seed,
                "batch_size": self.batch_size,
                "discriminator_steps": self.discriminator_steps,
                "generator_learning_rate": trunk.train.generator_learning_rate * self.rate,
                "discriminator_learning_rate": trunk.train.discriminator_learning_rate * self.rate,
            }
        )
        return trunk.model_copy(update={"train": train, "fingerprint": self.name})


def trunks() -> dict[str, Trunk]:
    """By name."""
    return {
        row["name"]: Trunk(**{key: Trunk.__annotations__[key](row[key]) for key in row})
        for row in _rows("trunks.csv")
    }


def branches() -> dict[str, Branch]:
    """By name, in the order they are made."""
    return {
        row["name"]: Branch(**{key: Branch.__annotations__[key](row[key]) for key in row})
        for row in _rows("branches.csv")
    }


def _rows(file: str) -> list[dict[str, str]]:
    with (HERE / file).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))

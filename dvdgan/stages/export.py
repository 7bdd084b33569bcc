"""`dvdgan export`: the model bundle of the best checkpoint."""

from typing import TYPE_CHECKING

from dvdgan.data.dataset import open_clips
from dvdgan.evaluation.device import device
from dvdgan.export.bundle import (
    STANDING,
    BundleSource,
    StandingStatistics,
    trained_sampler,
    write_bundle,
)
from dvdgan.stages.artefacts import MODEL, SHARDS, TRAIN
from dvdgan.storage.local import read_json
from dvdgan.storage.output import check_stage_output
from dvdgan.training.checkpoint import AVERAGE, STATE

if TYPE_CHECKING:
    from dvdgan.config import Config


def run(config: "Config") -> None:
    """Write artifacts/model: averaged weights, standing statistics, spectral norm baked in."""
    check_stage_output(MODEL)
    dataset = open_clips(SHARDS, "train", config.clip)
    source = BundleSource.of(dataset, config.model, config.clip)
    standing = StandingStatistics(config.export.standing_batches, config.export.standing_batch_size)
    sampler = trained_sampler(TRAIN / "checkpoint" / AVERAGE, source, standing, device())
    state = read_json(TRAIN / "checkpoint" / STATE)
    facts = {
        "step": state["step"],
        "training run": state["fingerprint"],
        "training videos": len(dataset),
        STANDING: str(standing),
    }
    write_bundle(sampler, source, facts, MODEL)
    print(f"export: generator of step {state['step']} -> {MODEL}")

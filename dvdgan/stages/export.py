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
from dvdgan.export.card import BundleMetric
from dvdgan.guard import ledger
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
    write_bundle(sampler, source, facts, MODEL, _metrics(state["step"]))
    print(f"export: generator of step {state['step']} -> {MODEL}")


def _metrics(step: int) -> list[BundleMetric]:
    """The metrics of the best checkpoint's evaluation; empty for a run that was not evaluated."""
    found = ledger.best(ledger.read(TRAIN / "ledger.jsonl"))
    if found is None or found["step"] != step:
        return []
    return [
        BundleMetric(name, found["names"].get(name, name), value, found["intervals"].get(name))
        for name, value in found["metrics"].items()
    ]

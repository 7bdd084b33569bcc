"""`dvdgan evaluate`: FID, FVD and IS of the bundle, or of one checkpoint of a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dvdgan.config.schema import RunSettings
from dvdgan.data.loader import ClipDataset
from dvdgan.errors import UserError
from dvdgan.evaluation.device import device
from dvdgan.evaluation.features import ClipFeatures, FeatureNetwork, extract
from dvdgan.evaluation.protocols import MINIMUM_CLIPS, Measurement, measure
from dvdgan.evaluation.reference import RealReference, load_mean_clip
from dvdgan.export.bundle import Origin, Standing, trained_sampler, untrained_sampler
from dvdgan.export.sampler import Sampler
from dvdgan.guard.run_folder import damage
from dvdgan.stages.artefacts import EVALUATE, FEATURES, MODEL, REFERENCE, SHARDS
from dvdgan.storage.local import write_json
from dvdgan.training.checkpoint import AVERAGE

if TYPE_CHECKING:
    from dvdgan.config import Config

CHECKPOINT_METRICS = ("FID", "FVD", "IS")


def run(config: "Config") -> None:
    """Measure the bundle and its controls; write artifacts/evaluate.

    The controls give the numbers a scale: real test clips (the floor), the untrained generator and
    the per-pixel mean clip (what a model must beat).
    """
    clip, settings = config.clip, config.evaluate
    dataset = ClipDataset(SHARDS, "train", clip.resolution, clip.frames, clip.stride)
    network = FeatureNetwork.load(FEATURES, device())
    reference = RealReference.load(REFERENCE, "train")
    labels = class_labels(dataset, settings.samples)
    sampler = Sampler.load(MODEL, device())
    untrained = untrained_sampler(Origin.of(dataset, config.model, clip), Standing(), device())

    def features_of(batches: Iterator[tuple[Tensor, Tensor]], what: str) -> ClipFeatures:
        return extract(network, batches, len(labels), f"evaluate: {what}")

    generated = features_of(sampler.stream(labels, settings.seed), "generated")
    measured = measure(generated, reference, settings.seed)
    controls = {
        "untrained generator": measure(
            features_of(untrained.stream(labels, settings.seed), "untrained generator"),
            reference,
            settings.seed,
        ),
        "mean clip": measure(features_of(_repeated(labels), "mean clip"), reference, None),
    }
    real = _real_test_clips()
    if real is not None:
        controls["real test clips"] = measure(real, reference, None)
    _write(generated, measured, controls)
    figures = ", ".join(f"{name} {each.value:.4g}" for name, each in measured.metrics.items())
    print(f"evaluate: {figures} ({settings.samples} clips) -> {EVALUATE}")


def run_checkpoint(checkpoint: Path, write: Path | None) -> None:
    """Measure one checkpoint of a run by the same protocol with train.guard.samples clips.

    ``write``: where the metrics go as JSON (null: not finite); they are printed too.
    Raises UserError when the folder is no whole checkpoint.
    """
    run_root = checkpoint.parent.parent
    problem = damage(checkpoint)
    if problem is not None or not (run_root / "settings.json").is_file():
        raise UserError(
            f"{checkpoint} is not a whole checkpoint of a run: {problem or 'no settings.json'}",
            todo="name a folder .runs/train/<run>/checkpoints/step-XXXXXXXX",
        )
    settings = RunSettings.model_validate_json((run_root / "settings.json").read_text("utf-8"))
    clip = settings.clip
    dataset = ClipDataset(Path(settings.shards), "train", clip.resolution, clip.frames, clip.stride)
    origin = Origin.of(dataset, settings.model, clip)
    labels = class_labels(dataset, settings.train.guard.samples)
    network = FeatureNetwork.load(Path(settings.features), device())
    reference = RealReference.load(Path(settings.reference), "train")
    metrics: dict[str, float | None]
    try:
        sampler = trained_sampler(checkpoint / AVERAGE, origin, Standing(), device())
        clips = sampler.stream(labels, settings.train.seed)
        features = extract(network, clips, len(labels), f"evaluate {checkpoint.name}")
        measured = measure(features, reference, settings.train.seed).metrics
        metrics = {name: measured[name].value for name in CHECKPOINT_METRICS}
    except FloatingPointError as error:
        print(f"evaluate: {error}")
        metrics = dict.fromkeys(CHECKPOINT_METRICS)
    if write is not None:
        write_json(write, metrics)
    print(f"evaluate: {checkpoint.name}: {metrics}")


def class_labels(dataset: ClipDataset, count: int) -> Tensor:
    """``count`` labels at the training split's own frequencies, the same for the same data."""
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
    own = torch.tensor(dataset.labels)[order]
    return own[torch.arange(count) % len(own)]


def _repeated(labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    mean_clip = load_mean_clip(REFERENCE)
    for label in labels:
        yield mean_clip[None], label[None]


def _real_test_clips() -> ClipFeatures | None:
    path = REFERENCE / "test_clips.safetensors"
    if not path.is_file():
        return None
    clips = ClipFeatures.load(path)
    return clips if len(clips) >= MINIMUM_CLIPS else None


def _write(
    generated: ClipFeatures, measured: Measurement, controls: dict[str, Measurement]
) -> None:
    generated.save(EVALUATE / "features" / "generated.safetensors")
    document: dict[str, Any] = {
        "generated": measured.to_json(),
        "controls": {name: control.to_json() for name, control in controls.items()},
        "warnings": measured.warnings,
    }
    write_json(EVALUATE / "metrics.json", document)

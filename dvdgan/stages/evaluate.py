"""`dvdgan evaluate`: FID, FVD and IS of the bundle, or of one checkpoint of a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dvdgan.config.schema import RunSettings
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import ConditioningFrames
from dvdgan.errors import UserError
from dvdgan.evaluation.device import device
from dvdgan.evaluation.features import ClipFeatures, extract
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
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
FROZEN_BATCH = 16


@dataclass(frozen=True)
class Asked:
    """What the clips to measure are made from: one row a clip."""

    labels: Tensor
    """(N,) int64; in prediction, of the clips that are continued."""
    seed: int
    conditioning: ConditioningFrames | None

    @classmethod
    def of(cls, dataset: ClipDataset, count: int, seed: int, given: int) -> "Asked":
        """Classes at the data's frequencies, or (``given`` > 0) frames of the data to continue."""
        if not given:
            return cls(class_labels(dataset, count), seed, None)
        source = ConditioningFrames(dataset, seed, given)
        return cls(source.labels(slice(0, count)), seed, source)

    def clips_of(self, sampler: Sampler) -> Iterator[tuple[Tensor, Tensor]]:
        return sampler.stream(self.labels, self.seed, conditioning=self.conditioning)

    def measured(self, clips: ClipFeatures, reference: RealReference) -> Measurement:
        given = self.conditioning.frames if self.conditioning is not None else 0
        return measure(clips, reference, self.seed, given)


def run(config: "Config") -> None:
    """Measure the bundle and its controls; write artifacts/evaluate.

    The controls give the numbers a scale: real test clips (the floor), the untrained generator, the
    per-pixel mean clip (what a model must beat); in prediction also the last given frame repeated,
    and the model on test clips, which it has never seen.
    """
    clip, settings, given = config.clip, config.evaluate, config.model.conditioning_frames
    dataset = ClipDataset(SHARDS, "train", clip.resolution, clip.frames, clip.stride)
    network = FeatureNetwork.load(FEATURES, device())
    reference = RealReference.load(REFERENCE, "train")
    asked = Asked.of(dataset, settings.samples, settings.seed, given)
    sampler = Sampler.load(MODEL, device())
    untrained = untrained_sampler(Origin.of(dataset, config.model, clip), Standing(), device())

    def features_of(batches: Iterator[tuple[Tensor, Tensor]], what: str) -> ClipFeatures:
        return extract(network, batches, len(asked.labels), f"evaluate: {what}")

    generated = features_of(asked.clips_of(sampler), "generated")
    controls = {
        "untrained generator": asked.measured(
            features_of(asked.clips_of(untrained), "untrained generator"), reference
        ),
        "mean clip": measure(features_of(_repeated(asked.labels), "mean clip"), reference, None),
    }
    if asked.conditioning is not None:
        controls["last given frame repeated"] = asked.measured(
            features_of(_frozen(asked), "last given frame repeated"), reference
        )
    real = _real_test_clips()
    if real is not None:
        if given:
            test = ClipDataset(SHARDS, "test", clip.resolution, clip.frames, clip.stride)
            unseen = Asked.of(test, settings.samples, settings.seed, given)
            controls["generated from test clips"] = unseen.measured(
                features_of(unseen.clips_of(sampler), "generated from test clips"),
                RealReference.load(REFERENCE, "test"),
            )
        controls["real test clips"] = measure(real, reference, None)
    measured = asked.measured(generated, reference)
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
    asked = Asked.of(
        dataset,
        settings.train.guard.samples,
        settings.train.seed,
        settings.model.conditioning_frames,
    )
    network = FeatureNetwork.load(Path(settings.features), device())
    reference = RealReference.load(Path(settings.reference), "train")
    metrics: dict[str, float | None]
    try:
        sampler = trained_sampler(checkpoint / AVERAGE, origin, Standing(), device())
        features = extract(
            network, asked.clips_of(sampler), len(asked.labels), f"evaluate {checkpoint.name}"
        )
        measured = asked.measured(features, reference).metrics
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


def _frozen(asked: Asked) -> Iterator[tuple[Tensor, Tensor]]:
    """The given frames, then the last of them until the end."""
    assert asked.conditioning is not None
    for start in range(0, len(asked.labels), FROZEN_BATCH):
        labels = asked.labels[start : start + FROZEN_BATCH]
        clips, _ = asked.conditioning.whole(slice(start, start + len(labels)))
        given = asked.conditioning.frames
        clips[:, given:] = clips[:, given - 1 : given]
        yield clips, labels


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

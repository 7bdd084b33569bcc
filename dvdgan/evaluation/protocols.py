"""FID, FVD, IS and class accuracy, each number with everything that must be equal to compare it."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.inception_score import inception_score
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import RealReference

# A covariance of fewer clips than this says nothing; params.yaml has the same floor.
MINIMUM_CLIPS = 32


@dataclass(frozen=True)
class Protocol:
    """How a number was measured. Two numbers compare only if all of this is equal."""

    network: str
    weights_sha256: str
    layer: str
    """pooled (the average-pool features, as the paper's FID) or logits (FVD, IS)."""
    resolution: int
    frames: int
    stride: int
    clips: int
    """Generated clips."""
    real_split: str | None
    """Split whose statistics were compared with; None where the metric needs no real clips."""
    real_clips: int | None
    seed: int | None
    """Seed of the generated clips; None when nothing was drawn."""
    conditioning_frames: int = 0
    """Real frames that each generated clip begins with (0: synthesis)."""
    conditioning_split: str | None = None
    """Split those frames are from."""
    value_range: str = "[-1, 1]"
    resize: str = "none"

    @property
    def name(self) -> str:
        """One line that tells this protocol from others, as it is printed behind a metric."""
        against = f" vs {self.real_clips} {self.real_split}" if self.real_split else ""
        C, split = self.conditioning_frames, self.conditioning_split
        given = f", {C} {split} frames given" if C else ""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return (
            f"{self.network}@{self.weights_sha256[:8]} {self.layer}, "
            f"{self.frames}x{self.resolution}x{self.resolution} stride {self.stride}{given}, "
            f"{self.clips} clips{against}{seed}"
        )


@dataclass(frozen=True)
class Metric:
    """One number under its protocol."""

    metric: str
    value: float
    protocol: Protocol

    @property
    def name(self) -> str:
        """The metric's full name, such as FVD[small_i3d@1a2b3c4d logits, 12x32x32 ...]."""
        return f"{self.metric}[{self.protocol.name}]"

    def to_json(self) -> dict[str, Any]:
        """The value, the full name and every field of the protocol."""
        return {"value": self.value, "name": self.name, "protocol": asdict(self.protocol)}


@dataclass(frozen=True)
class Measurement:
    """The metrics of one set of clips, by short name, and what to keep in mind reading them."""

    metrics: dict[str, Metric]
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The metrics by short name, as metrics.json holds them (without the warnings)."""
        return {name: metric.to_json() for name, metric in self.metrics.items()}


def measure(
    clips: ClipFeatures, reference: RealReference, seed: int | None, conditioning_frames: int = 0
) -> Measurement:
    """FID, FVD, IS and accuracy of ``clips`` against real statistics.

    FID compares pooled features (paper 4.1), FVD logits (Unterthiner et al. 2018), IS is of the
    logits, accuracy is the share of clips that the network puts into the class asked for (0..1).
    ``seed`` is the one the clips were drawn with, None for clips that were not drawn;
    ``conditioning_frames`` of each were real ones of the reference's split.
    Raises UserError below MINIMUM_CLIPS clips.
    """
    if len(clips) < MINIMUM_CLIPS:
        raise UserError(
            f"{len(clips)} clips are too few to estimate a covariance",
            todo=f"use at least {MINIMUM_CLIPS}, better several thousand",
        )
    alone = {"real_split": None, "real_clips": None}
    against = {"real_split": reference.split, "real_clips": reference.clips}
    described = asdict(reference.description)
    described.pop("clips_per_video")
    if conditioning_frames:
        described |= {
            "conditioning_frames": conditioning_frames,
            "conditioning_split": reference.split,
        }

    def metric(name: str, value: float, layer: str, real: dict[str, Any]) -> Metric:
        return Metric(
            name, value, Protocol(**described, layer=layer, clips=len(clips), seed=seed, **real)
        )

    right = (clips.logits.argmax(1) == clips.labels).double().mean()
    found = [
        metric(
            "FID", frechet_distance(Moments.of(clips.pooled), reference.pooled), "pooled", against
        ),
        metric(
            "FVD", frechet_distance(Moments.of(clips.logits), reference.logits), "logits", against
        ),
        metric("IS", inception_score(clips.logits), "logits", alone),
        metric("accuracy", float(right), "logits", alone),
    ]
    return Measurement({each.metric: each for each in found}, _cautions(clips, reference))


def compare(one: Metric, other: Metric) -> float:
    """``other`` minus ``one``. Raises UserError, naming the difference, for unequal protocols."""
    if one.metric != other.metric:
        raise UserError(f"{one.metric} and {other.metric} are different metrics")
    unequal = [
        f"{field.name}: {getattr(one.protocol, field.name)} and "
        f"{getattr(other.protocol, field.name)}"
        for field in fields(Protocol)
        if getattr(one.protocol, field.name) != getattr(other.protocol, field.name)
    ]
    if unequal:
        raise UserError(
            f"these two numbers of {one.metric} do not compare",
            where="; ".join(unequal),
            todo="measure both under one protocol",
        )
    return other.value - one.value


def _cautions(clips: ClipFeatures, reference: RealReference) -> list[str]:
    cautions = []
    for metric, moments in (("FID", reference.pooled), ("FVD", reference.logits)):
        dimensions = len(moments.mean)
        for count, kind in ((len(clips), "measured"), (moments.count, f"real {reference.split}")):
            if count <= dimensions:
                cautions.append(
                    f"{metric}: {count} {kind} clips for {dimensions} feature dimensions; the "
                    "covariance is singular and the value biased upwards"
                )
    return cautions

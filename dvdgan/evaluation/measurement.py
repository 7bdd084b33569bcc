"""FID, FVD, IS and class accuracy, each number with everything that must be equal to compare it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.inception_score import inception_score
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import RealReference
from dvdgan.protocols import LOGITS, MINIMUM_CLIPS, POOLED, PROTOCOLS

# They compare clip by clip, with the real ones whose features are kept.
KEPT_METRICS = ("KVD", "precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Conditions:
    """How a number was measured. Two numbers compare only if all of this is equal."""

    protocol: str
    """One of dvdgan.protocols."""
    data: str | None
    """What tells the real clips from others; None where the metric needs no real clips."""
    network: str
    weights_sha256: str
    layer: str
    """pooled (the average-pool features, as the paper's FID) or logits (FVD, IS)."""
    value_range: str
    """Of the levels as the network takes them."""
    resize: str
    """Rule by which frames come to the network's size."""
    resolution: int
    """Height and width of the clips before that, px."""
    frames: int
    stride: int
    clips: int
    """Measured clips."""
    real_split: str | None
    """Split whose statistics were compared with; None where the metric needs no real clips."""
    real_clips: int | None
    seed: int | None
    """Seed of the generated clips; None when nothing was drawn."""
    conditioning_frames: int = 0
    """Real frames that each generated clip begins with (0: synthesis)."""
    conditioning_split: str | None = None
    """Split those frames are from."""

    @property
    def name(self) -> str:
        """One line that tells these conditions from others, as it is printed behind a metric."""
        against = ""
        if self.data is not None:
            against = f" vs {self.real_clips} {self.real_split}@{self.data[:8]}"
        C, split = self.conditioning_frames, self.conditioning_split
        given = f", {C} {split} frames given" if C else ""
        seed = "" if self.seed is None else f", seed {self.seed}"
        resize = "" if self.resize == "none" else f" {self.resize}"
        return (
            f"{self.protocol}: {self.network}@{self.weights_sha256[:8]} {self.layer}{resize}, "
            f"{self.frames}x{self.resolution}x{self.resolution} stride {self.stride}{given}, "
            f"{self.clips} clips{against}{seed}"
        )


@dataclass(frozen=True)
class Metric:
    """One number under its conditions."""

    metric: str
    value: float
    conditions: Conditions
    interval: tuple[float, float] | None = None
    """95% confidence interval; None where it was not computed."""

    @property
    def name(self) -> str:
        """The metric's full name, such as FVD[self_trained: small_i3d@1a2b3c4d logits, ...]."""
        return f"{self.metric}[{self.conditions.name}]"

    def to_json(self) -> dict[str, Any]:
        """The value, its interval, the full name and every field of the conditions."""
        told: dict[str, Any] = {
            "value": self.value,
            "name": self.name,
            "protocol": asdict(self.conditions),
        }
        return told if self.interval is None else told | {"interval": list(self.interval)}


@dataclass(frozen=True)
class Measurement:
    """The metrics of one set of clips, by short name, and what to keep in mind reading them."""

    metrics: dict[str, Metric]
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The metrics by short name, as metrics.json holds them (without the warnings)."""
        return {name: metric.to_json() for name, metric in self.metrics.items()}


@dataclass(frozen=True)
class Drawn:
    """How the measured clips came about."""

    seed: int | None = None
    """Seed they were drawn with; None for clips that were not drawn."""
    conditioning_frames: int = 0
    """Frames of each that are real ones, of the reference's split."""


NOT_DRAWN = Drawn()


def measure(
    clips: ClipFeatures,
    reference: RealReference,
    drawn: Drawn = NOT_DRAWN,
    fewest_clips: int = MINIMUM_CLIPS,
) -> Measurement:
    """The metrics of the reference's protocol, of ``clips`` against real statistics.

    FID compares pooled features (paper 4.1), FVD logits (Unterthiner et al. 2018), IS is of the
    logits, accuracy is the share of clips that the network puts into the class asked for (0..1).
    Raises UserError below ``fewest_clips``.
    """
    if len(clips) < fewest_clips:
        raise UserError(
            f"{len(clips)} clips are too few for {reference.description.protocol}",
            todo=f"use at least {fewest_clips}, better several thousand",
        )
    layers = PROTOCOLS[reference.description.protocol].layers
    found = {
        name: Metric(name, value, conditions(len(clips), reference, drawn, name, layers[name]))
        for name, value in metric_values(clips, reference).items()
    }
    return Measurement(found, _cautions(clips, reference))


def metric_values(
    clips: ClipFeatures, reference: RealReference, names: Iterable[str] | None = None
) -> dict[str, float]:
    """The bare values of the metrics ``names``; None: all of the reference's protocol."""
    formulas = {
        "FVD": lambda: frechet_distance(Moments.of(clips.logits), reference.logits),
        "FID": lambda: frechet_distance(Moments.of(clips.pooled), reference.pooled),
        "IS": lambda: inception_score(clips.logits),
        "accuracy": lambda: float((clips.logits.argmax(1) == clips.labels).double().mean()),
    }
    asked = PROTOCOLS[reference.description.protocol].layers if names is None else names
    return {name: formulas[name]() for name in asked}


def conditions(
    clips: int, reference: RealReference, drawn: Drawn, metric: str, layer: str
) -> Conditions:
    """Those of one metric of so many ``clips``."""
    described = asdict(reference.description)
    described.pop("clips_per_video")
    alone = metric in ("IS", "accuracy")
    real_clips = len(reference.kept) if metric in KEPT_METRICS else reference.clips
    given = drawn.conditioning_frames
    return Conditions(
        **described | ({"data": None} if alone else {}),
        layer=layer,
        clips=clips,
        real_split=None if alone else reference.split,
        real_clips=None if alone else real_clips,
        seed=drawn.seed,
        conditioning_frames=given,
        conditioning_split=reference.split if given else None,
    )


def compare(one: Metric, other: Metric) -> float:
    """``other`` minus ``one``. Raises UserError, naming the difference, for unequal conditions."""
    if one.metric != other.metric:
        raise UserError(f"{one.metric} and {other.metric} are different metrics")
    unequal = [
        f"{field.name}: {getattr(one.conditions, field.name)} and "
        f"{getattr(other.conditions, field.name)}"
        for field in fields(Conditions)
        if getattr(one.conditions, field.name) != getattr(other.conditions, field.name)
    ]
    if unequal:
        raise UserError(
            f"these two numbers of {one.metric} do not compare",
            where="; ".join(unequal),
            todo="measure both under one protocol",
        )
    return other.value - one.value


def _cautions(clips: ClipFeatures, reference: RealReference) -> list[str]:
    moments = {POOLED: reference.pooled, LOGITS: reference.logits}
    cautions = []
    for metric, layer in PROTOCOLS[reference.description.protocol].layers.items():
        if metric not in ("FVD", "FID"):
            continue
        dimensions = len(moments[layer].mean)
        counts = ((len(clips), "measured"), (reference.clips, f"real {reference.split}"))
        for count, kind in counts:
            if count <= dimensions:
                cautions.append(
                    f"{metric}: {count} {kind} clips for {dimensions} feature dimensions; the "
                    "covariance is singular and the value biased upwards"
                )
    return cautions

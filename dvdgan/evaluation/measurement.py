"""FID, FVD, IS and class accuracy, each number with everything that must be equal to compare it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dvdgan.errors import UserError
from dvdgan.evaluation.conditions import NOT_DRAWN, Conditions, Drawn, conditions
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.inception_score import inception_score
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import RealReference
from dvdgan.protocols import LOGITS, MINIMUM_CLIPS, POOLED, PROTOCOLS, short_name


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

    @property
    def key(self) -> str:
        """A short name that only numbers of equal full names share: FVD[self_trained,256,5e6f7a8b].

        Protocol, clips, and a hash of the full name.
        """
        told = self.conditions
        return f"{self.metric}[{short_name(told.protocol, told.clips, told.name)}]"

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
        """The metrics by their keys, as metrics.json holds them (without the warnings)."""
        return to_json(self.metrics)

    @property
    def key(self) -> str:
        """What tells this measurement from others whose numbers do not compare with its own."""
        first = next(iter(self.metrics.values())).conditions
        names = [metric.name for metric in self.metrics.values()]
        return short_name(first.protocol, first.clips, *names)


def to_json(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """Each metric under its key."""
    return {metric.key: metric.to_json() for metric in metrics.values()}


def measure(
    clips: ClipFeatures,
    reference: RealReference,
    drawn: Drawn = NOT_DRAWN,
    fewest_clips: int = MINIMUM_CLIPS,
) -> Measurement:
    """The metrics of the reference's protocol, of ``clips`` against real statistics.

    FID compares pooled features (paper 4.1), FVD logits (Unterthiner et al. 2018), IS is of the
    logits, accuracy is the share of clips that the network puts into the class asked for (0..1).
    Raises UserError below ``fewest_clips``, and for features that are not finite.
    """
    if len(clips) < fewest_clips:
        raise UserError(
            f"{len(clips)} clips are too few for {reference.description.protocol}",
            todo=f"use at least {fewest_clips}, better several thousand",
        )
    _refuse_non_finite(clips)
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


def compare(one: Metric, other: Metric) -> float:
    """``other`` minus ``one``. Raises UserError, naming the difference, for unequal conditions."""
    if one.metric != other.metric:
        raise UserError(f"{one.metric} and {other.metric} are different metrics")
    unequal = one.conditions.differences(other.conditions)
    if unequal:
        raise UserError(
            f"these two numbers of {one.metric} do not compare",
            where="; ".join(unequal),
            todo="measure both under one protocol",
        )
    return other.value - one.value


def _refuse_non_finite(clips: ClipFeatures) -> None:
    finite = clips.pooled.isfinite().all(dim=1) & clips.logits.isfinite().all(dim=1)
    if not finite.all():
        raise UserError(
            f"the features of {int((~finite).sum())} of {len(clips)} clips are not finite",
            todo="look at the network's weights: clips are uint8, of which any have features",
        )


def _cautions(clips: ClipFeatures, reference: RealReference) -> list[str]:
    moments = {POOLED: reference.pooled, LOGITS: reference.logits}
    cautions = []
    for metric, layer in PROTOCOLS[reference.description.protocol].layers.items():
        if metric not in ("FVD", "FID"):
            continue
        dimensions = len(moments[layer].mean)
        counts = ((len(clips), "measured"), (reference.clips, f"real {reference.split}"))
        for count, kind in counts:
            if count < 2 * dimensions:
                singular = "the covariance is singular and " if count <= dimensions else ""
                cautions.append(
                    f"{metric}: {count} {kind} clips for {dimensions} feature dimensions; "
                    f"{singular}the value is biased upwards"
                )
    return cautions

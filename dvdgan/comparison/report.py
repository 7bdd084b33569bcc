"""The output of a comparison: the JSON document it writes, and the table it prints."""

from typing import Any

from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.measurement import (
    FullMeasurement,
    Measurement,
    measure_with_intervals,
    to_json,
)
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import RealReference
from dvdgan.protocols import MINIMUM_CLIPS, PROTOCOLS, ProtocolName


def format_table(document: dict[str, Any]) -> str:
    """A line per metric: value, 95% interval, full name; then the warnings."""
    lines = []
    for control, metrics in [("", document["generated"]), *document["controls"].items()]:
        if control:
            lines.append(f"{control} against the other half (fewer clips, larger distances):")
        for metric in metrics.values():
            low, high = metric.get("interval", (None, None))
            interval = "" if low is None else f"{low:.4g} .. {high:.4g}"
            lines.append(f"{metric['value']:>12.5g}  {interval:24}{metric['name']}")
    lines += [f"warning: {warning}" for warning in document["warnings"]]
    for side, refused in document["sources"]["refused"].items():
        if refused:
            path = document["sources"][side]
            lines.append(f"warning: {len(refused)} videos of {path} could not be used, such as")
            lines.append(f"  {refused[0]}")
    return "\n".join(lines)


def metrics_to_json(measured: Measurement, clips: ClipFeatures) -> dict[str, Any]:
    """The metrics of ``clips`` by key; without accuracy if they have no classes."""
    metrics = measured.metrics
    if _classless(clips):
        metrics = {name: each for name, each in metrics.items() if name != "accuracy"}
    return to_json(metrics)


def comparison_details(
    measured: FullMeasurement, generated: ClipFeatures, reference: RealReference, saved: bool
) -> dict[str, Any]:
    """Diversity and scores per class, the latter only if both sides have the same labels.

    ``saved`` statistics have the data set's labels. The network shares them if it was trained on
    that data set, and then the protocol measures accuracy.
    """
    sides = {"generated": generated, "real": reference.kept}
    across = measured.details["diversity_across"]
    details: dict[str, Any] = measured.details | {
        "diversity_across": {
            side: None if _classless(clips) else across[side] for side, clips in sides.items()
        }
    }
    same_labels = not saved or "accuracy" in PROTOCOLS[reference.description.protocol].layers
    if same_labels and not _classless(generated):
        details["per_class"] = measured.per_class
    return details


def real_halves(reference: RealReference) -> dict[str, Any]:
    """Half of the kept real clips against the other half: a control of real clips only.

    All clips of a video are in one half. Empty if a half is too small.
    """
    kept = reference.kept
    second = reference.kept_videos.unique_consecutive(return_inverse=True)[1] % 2 == 1
    one, other = kept.rows(~second), kept.rows(second)
    if min(len(one), len(other)) < MINIMUM_CLIPS:
        return {}
    side = f"{reference.split}, the other half"
    moments = Moments.of(other.pooled), Moments.of(other.logits)
    against = RealReference(reference.description, side, *moments, other)
    return {
        "half of the kept real clips": metrics_to_json(measure_with_intervals(one, against), one)
    }


def protocol_warnings(name: ProtocolName) -> list[str]:
    """A warning if the protocol's own value is the mean over several sets of clips."""
    sets = PROTOCOLS[name].sets
    if sets == 1:
        return []
    return [f"{name} takes the mean over {sets} sets of clips, each of another seed; this is one"]


def _classless(clips: ClipFeatures) -> bool:
    """Whether any clip has no label of the network's classes."""
    return bool((clips.labels < 0).any())

"""What a comparison tells: the document it writes, and the table it prints."""

from typing import Any

import torch

from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.full_measurement import FullMeasurement, measure_with_intervals
from dvdgan.evaluation.measurement import Measurement, to_json
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.reference import RealReference
from dvdgan.protocols import MINIMUM_CLIPS, PROTOCOLS, ProtocolName


def table(document: dict[str, Any]) -> str:
    """A line per metric: value, 95% interval, full name; then what to keep in mind."""
    lines = []
    for who, metrics in [("", document["generated"]), *document["controls"].items()]:
        if who:
            lines.append(f"{who} against the other half (fewer clips, larger distances):")
        for metric in metrics.values():
            low, high = metric.get("interval", (None, None))
            interval = "" if low is None else f"{low:.4g} .. {high:.4g}"
            lines.append(f"{metric['value']:>12.5g}  {interval:24}{metric['name']}")
    lines += [f"warning: {each}" for each in document["warnings"]]
    for side, left_out in document["sources"]["refused"].items():
        if left_out:
            path = document["sources"][side]
            lines.append(f"warning: {len(left_out)} videos of {path} gave no clip, such as")
            lines.append(f"  {left_out[0]}")
    return "\n".join(lines)


def told(measured: Measurement, clips: ClipFeatures) -> dict[str, Any]:
    """The metrics of ``clips``; without accuracy where they have no classes."""
    metrics = measured.metrics
    if _classless(clips):
        metrics = {name: each for name, each in metrics.items() if name != "accuracy"}
    return to_json(metrics)


def details(
    measured: FullMeasurement, generated: ClipFeatures, reference: RealReference, saved: bool
) -> dict[str, Any]:
    """What is told beside the metrics; of classes only where both sides number them alike.

    ``saved`` statistics have the data set's own numbers, which the network shares where it was
    trained on it: then the protocol tells accuracy.
    """
    sides = {"generated": generated, "real": reference.kept}
    across = measured.details["diversity_across"]
    found: dict[str, Any] = measured.details | {
        "diversity_across": {
            side: None if _classless(clips) else across[side] for side, clips in sides.items()
        }
    }
    alike = not saved or "accuracy" in PROTOCOLS[reference.description.protocol].layers
    if alike and not _classless(generated):
        found["per_class"] = measured.per_class
    return found


def floor(reference: RealReference) -> dict[str, Any]:
    """Half of the kept real clips against the other half: what two sets of real clips differ by.

    All clips of a video are in one half. Empty where a half is too small.
    """
    kept = reference.kept
    places = torch.arange(len(kept)) * reference.clips // len(kept)
    videos = places // reference.description.clips_per_video
    second = videos.unique_consecutive(return_inverse=True)[1] % 2 == 1
    one, other = kept.rows(~second), kept.rows(second)
    if min(len(one), len(other)) < MINIMUM_CLIPS:
        return {}
    side = f"{reference.split}, the other half"
    moments = Moments.of(other.pooled), Moments.of(other.logits)
    against = RealReference(reference.description, side, *moments, other)
    return {"half of the kept real clips": told(measure_with_intervals(one, against), one)}


def cautions(name: ProtocolName) -> list[str]:
    """A caution, where the protocol's own number is of several sets of clips."""
    sets = PROTOCOLS[name].sets
    if sets == 1:
        return []
    return [f"{name} takes the mean over {sets} sets of clips, each of another seed; this is one"]


def _classless(clips: ClipFeatures) -> bool:
    """Whether any clip has none of the network's classes."""
    return bool((clips.labels < 0).any())

"""Measure one set of clips against another, whoever made them: `dvdgan evaluate --generated`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dvdgan.data.sources.clip_source import NO_CLASS, ClipSource
from dvdgan.data.sources.opening import Reading, open_sources
from dvdgan.errors import UserError
from dvdgan.evaluation.extraction import Process
from dvdgan.evaluation.feature_cache import FeatureCache
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.full_measurement import (
    FullMeasurement,
    measure_fully,
    measure_with_intervals,
)
from dvdgan.evaluation.measurement import Drawn, Measurement
from dvdgan.evaluation.moments import Moments
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import DESCRIPTION_FILE, Description, RealReference
from dvdgan.protocols import MINIMUM_CLIPS, PROTOCOLS, ProtocolName, unfit
from dvdgan.storage.local import write_json

# Real clips that KVD, precision and recall compare with, evenly spread over all of them.
KEPT_CLIPS = 2048


@dataclass(frozen=True)
class Asked:
    """What is compared with what, and how."""

    generated: Path
    real: Path
    protocol: ProtocolName
    network: Path
    """Folder of the protocol's network."""
    reading: Reading
    stride: int = 1
    """Of the real clips' frames in their videos."""
    generated_stride: int = 1
    given_frames: int = 0
    """Real frames that each generated clip begins with."""
    max_refused: float = 0.0
    """Share of a folder's videos that may give no clip."""


def run(asked: Asked, cache: Path, write: Path | None = None) -> None:
    """Measure the generated clips against the real ones, or against statistics of them.

    Features are kept below ``cache``: the same call goes on where it ended. The processes of a
    launcher share the work; the first one prints the metrics and writes them to ``write``. Raises
    UserError for sets that do not compare, and for sets too small to.
    """
    process = Process.current()
    protocol = PROTOCOLS[asked.protocol]
    network = FeatureNetwork.load(asked.network, process.device, protocol.resize)
    reference, reading = _saved(asked, network)
    places = [(asked.generated, asked.generated_stride)]
    if reference is None:
        places.append((asked.real, asked.stride))
    sources = open_sources(places, reading)
    description = (
        _description(asked.protocol, network, sources[1])
        if reference is None
        else reference.description
    )
    _check(asked, sources, description)
    caches = [
        FeatureCache(network, source, cache, int(asked.max_refused * len(source)))
        for source in sources
    ]
    labels = [f"evaluate: {path.name}" for path, _ in places]
    for each, label in zip(caches, labels, strict=True):
        each.extract(label, process.rank, process.world)
    if not process.is_main:
        return
    found = [each.complete(label) for each, label in zip(caches, labels, strict=True)]
    if reference is None:
        reference = _reference(found[1][0], description, _side(asked.real, reading))
    clips = _with_labels_of(network, found[0][0], sources[0].classes)
    drawn = Drawn(seed=None, conditioning_frames=asked.given_frames)
    measured = measure_fully(clips, reference, drawn, protocol.fewest_clips)
    classless = bool(clips.labels.min() < 0)
    refused = {str(path): lines for (path, _), (_, lines) in zip(places, found, strict=True)}
    document = _document(asked, measured, _floor(reference), classless, refused)
    print(_table(document))
    if write is not None:
        write_json(write, document)


def _saved(asked: Asked, network: FeatureNetwork) -> tuple[RealReference | None, Reading]:
    """Saved statistics, where the real side is a folder of them, and the reading they ask for."""
    folders = (asked.real, asked.real / asked.protocol)
    folder = next((each for each in folders if (each / DESCRIPTION_FILE).is_file()), None)
    if folder is None:
        return None, asked.reading
    reference = RealReference.load(folder, asked.reading.split)
    taken = reference.description
    mine = (asked.protocol, network.name, network.weights_sha256)
    if mine != (taken.protocol, taken.network, taken.weights_sha256):
        raise UserError(
            f"the statistics are {taken.protocol}'s, of {taken.network}@{taken.weights_sha256[:8]};"
            f" asked for are {mine[0]}'s, of {mine[1]}@{mine[2][:8]}",
            where=str(folder),
            todo="name the protocol and the network that measured them: --protocol, --network",
        )
    if asked.reading.frames not in (None, taken.frames):
        raise UserError(
            f"the statistics are of clips of {taken.frames} frames, not {asked.reading.frames}",
            where=str(folder),
            todo="leave --frames out",
        )
    return reference, replace(asked.reading, frames=taken.frames)


def _check(asked: Asked, sources: list[ClipSource], real: Description) -> None:
    """Raise UserError where the two sides cannot be compared by the protocol."""
    generated = sources[0]
    frames, resolution = generated.shape
    if resolution != real.resolution:
        raise UserError(
            f"the generated clips are {resolution}x{resolution} pixels, the real ones "
            f"{real.resolution}x{real.resolution}",
            todo="bring videos to one size with --resolution",
        )
    wrong = unfit(asked.protocol, frames, asked.given_frames, len(generated))
    if wrong:
        raise UserError("; ".join(wrong), where=str(asked.generated))
    if len(sources[-1]) < MINIMUM_CLIPS:
        raise UserError(
            f"{len(sources[-1])} clips are too few to estimate a covariance",
            where=str(asked.real),
            todo=f"use at least {MINIMUM_CLIPS}, better several thousand",
        )


def _description(
    protocol: ProtocolName, network: FeatureNetwork, source: ClipSource
) -> Description:
    frames, resolution = source.shape
    return Description(
        protocol=protocol,
        network=network.name,
        weights_sha256=network.weights_sha256,
        value_range=network.network.value_range,
        resize=network.resize,
        resolution=resolution,
        frames=frames,
        stride=source.stride,
        clips_per_video=1,
    )


def _side(path: Path, reading: Reading) -> str:
    """What conditions call the real clips: the split of shards, the name of anything else."""
    return reading.split if (path / "index.json").is_file() else path.name


def _reference(clips: ClipFeatures, description: Description, side: str) -> RealReference:
    kept = min(len(clips), KEPT_CLIPS)
    evenly = torch.arange(kept) * len(clips) // kept
    moments = Moments.of(clips.pooled), Moments.of(clips.logits)
    return RealReference(description, side, *moments, clips.rows(evenly))


def _with_labels_of(
    network: FeatureNetwork, clips: ClipFeatures, classes: list[str] | None
) -> ClipFeatures:
    """``clips`` with labels of the network's classes; NO_CLASS for classes it does not know."""
    labels = clips.labels
    if classes is not None:
        known = {name: label for label, name in enumerate(network.classes)}
        labels = torch.tensor([known.get(name, NO_CLASS) for name in classes])[labels]
    if labels.max() >= len(network.classes):
        raise UserError(
            f"label {int(labels.max())} is none of the network's {len(network.classes)} classes",
            todo="save labels 0..classes - 1, or no labels",
        )
    return replace(clips, labels=labels)


def _floor(reference: RealReference) -> Measurement | None:
    """Half of the kept real clips against the other half: what two sets of real clips differ by.

    None for too few of them.
    """
    kept = reference.kept
    one, other = (kept.rows(torch.arange(start, len(kept), 2)) for start in (0, 1))
    if len(other) < MINIMUM_CLIPS:
        return None
    side = f"{reference.split}, the other half"
    return measure_with_intervals(one, _reference(other, reference.description, side))


def _document(
    asked: Asked,
    measured: FullMeasurement,
    floor: Measurement | None,
    classless: bool,
    refused: dict[str, list[str]],
) -> dict[str, Any]:
    """What metrics.json holds; without accuracy where clips have none of the network's classes."""
    metrics = measured.measurement.to_json()
    controls = {} if floor is None else {"half of the real clips": floor.to_json()}
    details = measured.details | {"per_class": measured.per_class}
    if classless:
        for each in (metrics, *controls.values()):
            each.pop("accuracy", None)
        del details["per_class"]
    return {
        "generated": metrics,
        "controls": controls,
        "details": details,
        "warnings": measured.measurement.warnings,
        "sources": {
            "generated": str(asked.generated),
            "generated_stride": asked.generated_stride,
            "real": str(asked.real),
            "window": asked.reading.window,
            "refused": refused,
        },
    }


def _table(document: dict[str, Any]) -> str:
    """A line per metric: value, 95% interval, full name; then what to keep in mind."""
    lines = []
    for who, metrics in [("", document["generated"]), *document["controls"].items()]:
        if who:
            lines.append(f"{who}, against the others:")
        for metric in metrics.values():
            low, high = metric.get("interval", (None, None))
            interval = "" if low is None else f"{low:.4g} .. {high:.4g}"
            lines.append(f"{metric['value']:>12.5g}  {interval:24}{metric['name']}")
    lines += [f"warning: {each}" for each in document["warnings"]]
    for path, left_out in document["sources"]["refused"].items():
        if left_out:
            lines.append(f"warning: {len(left_out)} videos of {path} gave no clip, such as")
            lines.append(f"  {left_out[0]}")
    return "\n".join(lines)

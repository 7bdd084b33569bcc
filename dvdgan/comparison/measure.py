"""Measure one set of clips against another, by the numbers of the pipeline."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from dvdgan.comparison.report import cautions, details, floor, table, told
from dvdgan.comparison.spec import (
    ComparisonSpec,
    check,
    check_count,
    check_labels,
    check_network,
    network_of,
    places,
    saved_statistics,
    unlike,
)
from dvdgan.data.sources.clip_source import NO_CLASS, ClipSource
from dvdgan.data.sources.opening import Place, ReadOptions, open_sources
from dvdgan.data.sources.video_folder import VideoFolder
from dvdgan.evaluation.conditions import Drawn
from dvdgan.evaluation.extraction import Process
from dvdgan.evaluation.feature_cache import FeatureCache
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.full_measurement import measure_fully
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import Description, RealStatistics, data_mark
from dvdgan.protocols import PROTOCOLS, ProtocolName
from dvdgan.storage.ignored import describe_ignored
from dvdgan.storage.output import write_output

# Real clips that KVD, precision and recall compare with, evenly spread over all of them.
KEPT_CLIPS = 2048


def run(spec: ComparisonSpec, cache: Path, write: Path | None = None) -> None:
    """Measure the generated clips against the real ones, or against statistics of them.

    Features are kept below ``cache``: the same call goes on where it ended. The processes of a
    launcher share the work; the first one prints the metrics and writes them to ``write``. Raises
    UserError for sets that do not compare, and for sets too small to.
    """
    process = Process.current()
    protocol = PROTOCOLS[spec.protocol]
    saved, reading = saved_statistics(spec)
    opened = places(spec, saved)
    sources: dict[str, ClipSource] = {
        place.side: source
        for place, source in zip(opened, open_sources(opened, reading), strict=True)
    }
    check(spec, sources, saved)
    if process.is_main:
        _print_ignored(sources)
    network = network_of(spec, process.device)
    check_network(spec, network, saved)
    for place in opened:
        check_labels(place.path, sources[place.side], network)
    caches = {
        side: FeatureCache(network, source, cache, int(spec.max_refused * len(source)))
        for side, source in sources.items()
    }
    labels: dict[str, str] = {place.side: f"evaluate: {place.path.name}" for place in opened}
    for side, each in caches.items():
        each.extract(labels[side], process.rank, process.world)
    if not process.is_main:
        return
    refused = {side: each.finish(labels[side]) for side, each in caches.items()}
    reference = saved
    if reference is None:
        clips = len(sources["real"]) - len(refused["real"])
        check_count(spec.real.path, clips)
        statistics = RealStatistics(clips, KEPT_CLIPS)
        for part in caches["real"].parts(labels["real"]):
            statistics.add(_of_classes(network, part, sources["real"]))
        description = _description(spec.protocol, network, sources["real"])
        reference = statistics.reference(description, _side(spec.real, reading))
    found, _ = caches["generated"].complete(labels["generated"])
    generated = _of_classes(network, found, sources["generated"])
    taken = sources["generated"].preprocessing
    drawn = Drawn(conditioning_frames=spec.given_frames, preprocessing=taken)
    measured = measure_fully(generated, reference, drawn, protocol.fewest_clips)
    document = {
        "generated": told(measured.measurement, generated),
        "controls": floor(reference),
        "details": details(measured, generated, reference, saved is not None),
        "warnings": measured.measurement.warnings
        + unlike(taken, reference.description.preprocessing)
        + cautions(spec.protocol),
        "sources": {
            "generated": str(spec.generated.path),
            "real": str(spec.real.path),
            "refused": refused,
        },
    }
    print(table(document))
    if write is not None:
        write_output(write, document)


def _print_ignored(sources: Mapping[str, ClipSource]) -> None:
    for side, source in sources.items():
        if isinstance(source, VideoFolder) and source.ignored:
            print(f"evaluate: {side}: {describe_ignored(source.ignored)}", file=sys.stderr)


def _description(
    protocol: ProtocolName, network: FeatureNetwork, source: ClipSource
) -> Description:
    frames, resolution = source.shape
    return Description(
        protocol=protocol,
        data=data_mark(source.fingerprint()),
        network=network.name,
        weights_sha256=network.weights_sha256,
        value_range=network.network.value_range,
        resize=network.resize,
        resolution=resolution,
        frames=frames,
        stride=source.preprocessing.stride,
        clips_per_video=1,
        preprocessing=source.preprocessing,
    )


def _side(place: Place, reading: ReadOptions) -> str:
    """What conditions call the real clips: the split of shards, the name of anything else."""
    return reading.split if place.is_shard_set else place.path.resolve().name


def _of_classes(network: FeatureNetwork, clips: ClipFeatures, source: ClipSource) -> ClipFeatures:
    """``clips`` with labels of the network's classes; NO_CLASS for classes it does not know."""
    labels = clips.labels
    if source.classes is not None:
        known = {name: label for label, name in enumerate(network.classes)}
        labels = torch.tensor([known.get(name, NO_CLASS) for name in source.classes])[labels]
    return replace(clips, labels=labels)

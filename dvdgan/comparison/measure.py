"""Measure any set of clips against another, with the metrics of the pipeline."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from dvdgan.comparison.report import (
    comparison_details,
    format_table,
    metrics_to_json,
    protocol_warnings,
    real_halves,
)
from dvdgan.comparison.spec import (
    ComparisonSpec,
    check_compatible,
    check_count,
    check_labels,
    check_network,
    load_network,
    load_saved_statistics,
    places_to_open,
    preprocessing_warnings,
)
from dvdgan.data.sources.clip_source import NO_CLASS, ClipSource
from dvdgan.data.sources.opening import Place, ReadOptions, open_sources
from dvdgan.data.sources.video_folder import VideoFolder
from dvdgan.evaluation.extraction import Extraction
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.measurement import measure_fully
from dvdgan.evaluation.measurement_settings import SamplingSettings
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import Description, RealStatistics, data_fingerprint
from dvdgan.protocols import PROTOCOLS, ProtocolName
from dvdgan.storage.ignored import describe_ignored
from dvdgan.storage.output import write_output

# Number of real clips, evenly spaced, that KVD, precision and recall compare with.
KEPT_CLIPS = 2048


def run(
    spec: ComparisonSpec, cache: Path, write: Path | None = None, command: Sequence[str] = ()
) -> None:
    """Measure the generated clips against the real ones, or against statistics of them.

    Prints the metrics and writes them to ``write``. Features are cached below ``cache``, so that
    the same call resumes. With ``command``, the words after `dvdgan` that do the same, the
    processes of DVDGAN_LAUNCHER extract them. Raises UserError for sets that cannot be compared or
    are too small.
    """
    extraction = Extraction(cache, "evaluate", command)
    protocol = PROTOCOLS[spec.protocol]
    saved, read_options = load_saved_statistics(spec)
    opened = places_to_open(spec, saved)
    sources: dict[str, ClipSource] = {
        place.side: source
        for place, source in zip(opened, open_sources(opened, read_options), strict=True)
    }
    check_compatible(spec, sources, saved)
    _print_ignored(sources)
    network = load_network(spec, extraction.device)
    check_network(spec, network, saved)
    for place in opened:
        check_labels(place.path, sources[place.side], network)
    caches = {
        place.side: extraction.add(
            place.path.name,
            network,
            sources[place.side],
            int(spec.max_refused * len(sources[place.side])),
        )
        for place in opened
    }
    if not extraction.run():
        return
    refused = {side: each.refusals for side, each in caches.items()}
    reference = saved
    if reference is None:
        clips = len(sources["real"]) - len(refused["real"])
        check_count(spec.real.path, clips)
        statistics = RealStatistics(clips, KEPT_CLIPS)
        for part in caches["real"].parts():
            statistics.add(_relabelled(network, part, sources["real"]))
        description = _description(spec.protocol, network, sources["real"])
        reference = statistics.reference(description, _real_name(spec.real, read_options))
    generated = _relabelled(network, caches["generated"].complete(), sources["generated"])
    preprocessing = sources["generated"].preprocessing
    sampling = SamplingSettings(conditioning_frames=spec.given_frames, preprocessing=preprocessing)
    measured = measure_fully(generated, reference, sampling, protocol.fewest_clips)
    document = {
        "generated": metrics_to_json(measured.measurement, generated),
        "controls": real_halves(reference),
        "details": comparison_details(measured, generated, reference, saved is not None),
        "warnings": measured.measurement.warnings
        + preprocessing_warnings(preprocessing, reference.description.preprocessing)
        + protocol_warnings(spec.protocol),
        "sources": {
            "generated": str(spec.generated.path),
            "real": str(spec.real.path),
            "refused": refused,
        },
    }
    print(format_table(document))
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
        data=data_fingerprint(source.fingerprint()),
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


def _real_name(place: Place, read_options: ReadOptions) -> str:
    """The name of the real clips in metrics: the split of a shard set, else the file or folder."""
    return read_options.split if place.is_shard_set else place.path.resolve().name


def _relabelled(network: FeatureNetwork, clips: ClipFeatures, source: ClipSource) -> ClipFeatures:
    """``clips`` with the network's labels; NO_CLASS for classes that the network does not have."""
    labels = clips.labels
    if source.classes is not None:
        known = {name: label for label, name in enumerate(network.classes)}
        labels = torch.tensor([known.get(name, NO_CLASS) for name in source.classes])[labels]
    return replace(clips, labels=labels)

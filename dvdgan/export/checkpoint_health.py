"""The metrics and health metrics of a checkpoint, from which the guard judges it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dvdgan.config.schema import RunSettings
from dvdgan.data.dataset import ClipDataset, open_clips
from dvdgan.data.sources.derived_clips import RepeatedClip
from dvdgan.evaluation.confidence import half_sampling
from dvdgan.evaluation.features import ClipFeatures, extract
from dvdgan.evaluation.measurement import measure, metric_values
from dvdgan.evaluation.measurement_settings import NOT_GENERATED, SamplingSettings
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.pixel_statistics import RANGES_FILE, PixelRanges, PixelStatistics
from dvdgan.evaluation.reference import MEAN_CLIP_FILE, RealReference, load_mean_clip
from dvdgan.evaluation.sample_health import sample_health
from dvdgan.export.bundle import BundleSource, StandingStatistics, sampler_of, trained_sampler
from dvdgan.export.generated_clips import SampleSpec
from dvdgan.export.sampler import Sampler
from dvdgan.models.build import initial_generator
from dvdgan.protocols import PROTOCOLS

BATCH = 16

# The metric that decides whether a checkpoint is healthy: it alone needs an interval.
DECISIVE = ("FVD",)


def measure_checkpoint(settings: RunSettings, average: Path | None, device: str) -> dict[str, Any]:
    """Measure train.guard.samples clips by the run's protocol.

    average: a checkpoint's averaged weights; None: the weights before step 1, for which the mean
    clip of the training split is measured as well.

    Returns JSON: "metrics", the protocol's FID, FVD and IS; "names", their full names; "intervals",
    the 95% interval of FVD; "health", the health metrics of the clips with the accuracy where the
    protocol has it; "mean_clip", metrics, names and intervals of the mean clip (without ``average``
    alone). Where clips are not finite metrics are null, and names, intervals and health
    are empty.
    """
    clip, protocol = settings.clip, PROTOCOLS[settings.protocol]
    dataset = open_clips(Path(settings.shards), "train", clip)
    given = settings.model.conditioning_frames
    spec = SampleSpec.of(dataset, settings.train.guard.samples, settings.train.seed, given)
    network = FeatureNetwork.load(
        Path(settings.features) / protocol.network, device, protocol.resize
    )
    reference = RealReference.load(Path(settings.reference) / settings.protocol, "train")
    ranges = PixelRanges.load(Path(settings.reference) / RANGES_FILE)
    more: dict[str, Any] = {}
    if average is None:
        mean = load_mean_clip(Path(settings.reference) / MEAN_CLIP_FILE)
        clips = RepeatedClip(mean, spec.labels)
        starts = range(0, len(clips), BATCH)
        batches = (clips.read(start, start + BATCH)[:2] for start in starts)
        more["mean_clip"] = _distances(
            extract(network, batches, len(clips), "evaluate the mean clip"),
            reference,
            NOT_GENERATED,
        )
    pixels: list[PixelStatistics] = []
    try:
        sampler = _sampler(settings, dataset, average, device)
        stream = sampler.stream(spec.labels, spec.seed, conditioning=spec.conditioning)
        name = "the untrained generator" if average is None else average.parent.name
        features = extract(network, _watched(stream, pixels), len(spec.labels), f"evaluate {name}")
        sampling = replace(spec.sampling, standing=str(StandingStatistics()))
        measured = _distances(features, reference, sampling)
    except FloatingPointError as error:
        print(f"evaluate: {error}")
        names = [name for name in protocol.layers if name != "accuracy"]
        nothing = {"metrics": dict.fromkeys(names), "names": {}, "intervals": {}, "health": {}}
        return nothing | more
    metrics = measured["metrics"]
    accuracy = {name: metrics.pop(name) for name in ("accuracy",) if name in metrics}
    measured["names"] = {name: measured["names"][name] for name in metrics}
    # Conditioning frames are of every video once before they are of any twice.
    distinct = len(dataset) if given else None
    health = sample_health(features, PixelStatistics.join(pixels), reference, ranges, distinct)
    return {**measured, "health": health | accuracy, **more}


def _sampler(
    settings: RunSettings, dataset: ClipDataset, average: Path | None, device: str
) -> Sampler:
    origin = BundleSource.of(dataset, settings.model, settings.clip)
    if average is not None:
        return trained_sampler(average, origin, StandingStatistics(), device)
    initial = initial_generator(
        settings.model, settings.clip, len(dataset.classes), settings.train.seed
    )
    return sampler_of(initial.to(device), origin, StandingStatistics())


def _distances(
    features: ClipFeatures, reference: RealReference, sampling: SamplingSettings
) -> dict[str, Any]:
    found = half_sampling(
        lambda chosen: metric_values(features.rows(chosen), reference, DECISIVE),
        torch.arange(len(features)),
    )
    measured = measure(features, reference, sampling).metrics
    return {
        "metrics": {name: each.value for name, each in measured.items()},
        "names": {name: each.name for name, each in measured.items()},
        "intervals": {name: [each.low, each.high] for name, each in found.items()},
    }


def _watched(
    batches: Iterable[tuple[Tensor, Tensor]], pixels: list[PixelStatistics]
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches; how their pixels behave goes to ``pixels`` as they pass."""
    for clips, labels in batches:
        pixels.append(PixelStatistics.of(clips))
        yield clips, labels

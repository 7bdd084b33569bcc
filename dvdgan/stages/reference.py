"""reference: statistics of the real clips with which generated clips are compared."""

from collections.abc import Sequence
from dataclasses import replace

from dvdgan.config import Config
from dvdgan.data.dataset import open_clips
from dvdgan.data.loader import reference_clips
from dvdgan.data.shard_source import open_shards, splits_of
from dvdgan.data.sources.shard_set import EvenClips
from dvdgan.evaluation.extraction import Extraction
from dvdgan.evaluation.features import BATCH_SIZE
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.pixel_statistics import RANGES_FILE, PixelRanges, PixelStatistics
from dvdgan.evaluation.reference import (
    MEAN_CLIP_FILE,
    Description,
    RealStatistics,
    data_fingerprint,
    save_description,
    save_mean_clip,
)
from dvdgan.progress import track
from dvdgan.protocols import PROTOCOLS
from dvdgan.stages.artefacts import FEATURE_CACHE, FEATURES, REFERENCE, SHARDS
from dvdgan.storage.local import atomic_directory
from dvdgan.storage.output import check_stage_output


def run(config: Config, command: Sequence[str] = ()) -> None:
    """Measure every video of every split by each protocol; write artifacts/reference/PROTOCOL.

    After an interruption it resumes with the remaining clips. With ``command``, the words after
    `dvdgan` that do the same, the processes of DVDGAN_LAUNCHER extract the features.
    """
    check_stage_output(REFERENCE)
    extraction = Extraction(FEATURE_CACHE, "reference", command)
    splits = {
        split: open_clips(SHARDS, split, config.clip) for split in splits_of(open_shards(SHARDS))
    }
    clips = {
        split: EvenClips(dataset, config.reference.clips_per_video)
        for split, dataset in splits.items()
    }
    caches = []
    for name in config.features.protocols:
        protocol = PROTOCOLS[name]
        network = FeatureNetwork.load(
            FEATURES / protocol.network, extraction.device, protocol.resize
        )
        caches.append(
            {
                split: extraction.add(f"real {split} clips, {name}", network, each)
                for split, each in clips.items()
            }
        )
    if not extraction.run():
        return
    with atomic_directory(REFERENCE) as folder:
        for name, of_protocol in zip(config.features.protocols, caches, strict=True):
            for split, cache in of_protocol.items():
                statistics = RealStatistics(len(clips[split]), config.reference.kept_clips)
                for features in cache.parts():
                    statistics.add(features)
                statistics.save(folder / name, split)
            described = _description(config, name, of_protocol["train"].network, clips["train"])
            counts = {split: len(each) for split, each in clips.items()}
            save_description(folder / name, described, counts)
            sizes = ", ".join(f"{count} {split}" for split, count in counts.items())
            print(f"reference: {name}: statistics of {sizes} clips -> {REFERENCE / name}")
        batches = reference_clips(splits["train"], 1)
        shown = track(batches, "mean clip", -(-len(splits["train"]) // 16), "batches")
        save_mean_clip(folder / MEAN_CLIP_FILE, shown)
        kept = EvenClips(
            splits["train"], config.reference.clips_per_video, config.reference.kept_clips
        )
        _ranges(kept).save(folder / RANGES_FILE)
    extraction.end()


def _ranges(real: EvenClips) -> PixelRanges:
    """Of the clips whose features are kept."""
    starts = range(0, len(real), BATCH_SIZE)
    found = [
        PixelStatistics.of(real.read(start, start + BATCH_SIZE).clips)
        for start in track(starts, "ranges of the real clips", len(starts), "batches")
    ]
    return PixelRanges.of(PixelStatistics.join(found))


def _description(
    config: Config, name: str, network: FeatureNetwork, train: EvenClips
) -> Description:
    clip = config.clip
    return Description(
        protocol=name,
        data=data_fingerprint(train.fingerprint()),
        network=network.name,
        weights_sha256=network.weights_sha256,
        value_range=network.network.value_range,
        resize=network.resize,
        resolution=clip.resolution,
        frames=clip.frames,
        stride=clip.stride,
        clips_per_video=config.reference.clips_per_video,
        # The split is a separate field, because statistics of several splits share one description.
        preprocessing=replace(train.preprocessing, split=None),
    )

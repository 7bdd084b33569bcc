"""reference: statistics of the real clips that generated ones are compared with."""

from pathlib import Path

from dvdgan.config import Config
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import reference_clips
from dvdgan.data.sources.even_clips import EvenClips
from dvdgan.evaluation.device import device
from dvdgan.evaluation.feature_cache import FeatureCache
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import (
    MEAN_CLIP_FILE,
    Description,
    RealStatistics,
    save_description,
    save_mean_clip,
)
from dvdgan.progress import track
from dvdgan.protocols import PROTOCOLS
from dvdgan.stages.artefacts import FEATURE_CACHE, FEATURES, REFERENCE, SHARDS
from dvdgan.storage.local import atomic_directory, read_json


def run(config: Config) -> None:
    """Measure every video of every split by each protocol; write artifacts/reference/PROTOCOL.

    Interrupted, it goes on with the clips it had not measured.
    """
    clip = config.clip
    shards = read_json(SHARDS / "index.json")["shards"]
    splits = {
        split: ClipDataset(SHARDS, split, clip.resolution, clip.frames, clip.stride)
        for split in sorted({shard["split"] for shard in shards})
    }
    caches = []
    with atomic_directory(REFERENCE) as folder:
        for name in config.features.protocols:
            protocol = PROTOCOLS[name]
            network = FeatureNetwork.load(FEATURES / protocol.network, device(), protocol.resize)
            counts = {}
            for split, dataset in splits.items():
                clips = EvenClips(dataset, config.reference.clips_per_video)
                caches.append(FeatureCache(network, clips, FEATURE_CACHE))
                counts[split] = len(clips)
                _measure(caches[-1], f"real {split} clips, {name}", config, folder / name, split)
            description = Description(
                protocol=name,
                network=network.name,
                weights_sha256=network.weights_sha256,
                value_range=network.network.value_range,
                resize=protocol.resize,
                resolution=clip.resolution,
                frames=clip.frames,
                stride=clip.stride,
                clips_per_video=config.reference.clips_per_video,
            )
            save_description(folder / name, description, counts)
            told = ", ".join(f"{count} {split}" for split, count in counts.items())
            print(f"reference: {name}: statistics of {told} clips -> {REFERENCE / name}")
        batches = reference_clips(splits["train"], 1)
        shown = track(batches, "mean clip", -(-len(splits["train"]) // 16), "batches")
        save_mean_clip(folder / MEAN_CLIP_FILE, shown)
    for cache in caches:
        cache.remove()


def _measure(cache: FeatureCache, label: str, config: Config, folder: Path, split: str) -> None:
    statistics = RealStatistics(len(cache.source), config.reference.kept_clips)
    cache.extract(label)
    for features in cache.parts():
        statistics.add(features)
    statistics.save(folder, split)

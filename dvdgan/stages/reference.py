"""reference: statistics of the real clips that generated ones are compared with."""

from pathlib import Path

from dvdgan.config import Config
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import reference_clips
from dvdgan.evaluation.device import device
from dvdgan.evaluation.features import stream
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import Description, MeanClip, RealStatistics, save_description
from dvdgan.stages.artefacts import FEATURES, REFERENCE, SHARDS
from dvdgan.storage.local import atomic_directory, read_json


def run(config: Config) -> None:
    """Measure every video of every split; write artifacts/reference."""
    clip = config.clip
    network = FeatureNetwork.load(FEATURES, device())
    shards = read_json(SHARDS / "index.json")["shards"]
    clips = {}
    with atomic_directory(REFERENCE) as folder:
        for split in sorted({shard["split"] for shard in shards}):
            dataset = ClipDataset(SHARDS, split, clip.resolution, clip.frames, clip.stride)
            clips[split] = _measure(config, network, dataset, folder)
        description = Description(
            network=network.name,
            weights_sha256=network.weights_sha256,
            resolution=clip.resolution,
            frames=clip.frames,
            stride=clip.stride,
            clips_per_video=config.reference.clips_per_video,
        )
        save_description(folder, description, clips)
    counts = ", ".join(f"{count} {split}" for split, count in clips.items())
    print(f"reference: statistics of {counts} clips -> {REFERENCE}")


def _measure(config: Config, network: FeatureNetwork, dataset: ClipDataset, folder: Path) -> int:
    """Write one split's files into ``folder``; returns its number of clips."""
    total = len(dataset) * config.reference.clips_per_video
    statistics, mean = RealStatistics(total), MeanClip()
    batches = mean.watch(reference_clips(dataset, config.reference.clips_per_video))
    for features in stream(network, batches, total, f"real {dataset.split} clips"):
        statistics.add(features)
    statistics.save(folder, dataset.split)
    if dataset.split == "train":
        mean.save(folder)
    return statistics.count

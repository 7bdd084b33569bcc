"""features: train the network whose features FID, IS and FVD compare."""

import torch

from dvdgan.config import Config
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import reference_clips, training_batches
from dvdgan.data.random_clips import RandomClips
from dvdgan.errors import UserError
from dvdgan.evaluation.networks.classifier import accuracy, train_small_i3d
from dvdgan.evaluation.networks.feature_network import save_feature_network
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.stages.artefacts import FEATURES, SHARDS
from dvdgan.storage.local import read_json


def run(config: Config) -> None:
    """Train on the train split, test on the test split, write artifacts/features.

    Raises UserError for fewer than two classes.
    """
    section = config.features
    train = _dataset(config, "train")
    if len(train.classes) < 2:
        raise UserError(
            "the data set has only one class, and a classifier needs at least two",
            where=config.index.root,
            todo="sort the videos into two or more class folders, by what happens in them",
        )
    torch.manual_seed(section.seed)
    network = SmallI3D(len(train.classes), section.width)
    batches = training_batches(RandomClips(train, section.seed), section.batch_size)
    train_small_i3d(batches, network, section.steps, section.learning_rate)
    right = _test_accuracy(config, network)
    save_feature_network(
        FEATURES, section.network, network, train.classes, right, width=section.width
    )
    told = "not tested" if right is None else f"right on {right:.1%} of the test videos"
    print(f"features: small_i3d tells {len(train.classes)} classes, {told} -> {FEATURES}")


def _test_accuracy(config: Config, network: SmallI3D) -> float | None:
    """Share of test videos classified rightly, one clip each; None when none are held out."""
    shards = read_json(SHARDS / "index.json")["shards"]
    if not any(shard["split"] == "test" for shard in shards):
        return None
    test = _dataset(config, "test")
    return accuracy(network, reference_clips(test, 1), len(test))


def _dataset(config: Config, split: str) -> ClipDataset:
    clip = config.clip
    return ClipDataset(SHARDS, split, clip.resolution, clip.frames, clip.stride)

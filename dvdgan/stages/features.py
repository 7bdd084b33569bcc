"""features: the networks whose features the metrics compare."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial

import torch

from dvdgan.config import Config
from dvdgan.data.dataset import open_clips
from dvdgan.data.loader import reference_clips, training_batches
from dvdgan.data.random_clips import RandomClips
from dvdgan.data.shard_source import open_shards, splits_of
from dvdgan.errors import UserError
from dvdgan.evaluation.networks.catalogue import WEIGHTS
from dvdgan.evaluation.networks.feature_network import FeatureNetwork, save_feature_network
from dvdgan.evaluation.networks.pretext_task import PRETEXT_CLASSES, pretext_batches
from dvdgan.evaluation.networks.small_i3d import (
    SmallI3D,
    TrainingBatch,
    accuracy,
    train_small_i3d,
)
from dvdgan.guard.numeric_environment import refuse_other_arithmetic
from dvdgan.protocols import PROTOCOLS, SELF_SUPERVISED_I3D, TRAINED
from dvdgan.stages.artefacts import FEATURES, SHARDS
from dvdgan.storage.local import atomic_directory
from dvdgan.storage.output import check_stage_output

Task = Callable[[Iterator[TrainingBatch]], Iterator[TrainingBatch]]
"""Clips and their classes -> the training task of a network."""


def run(config: Config) -> None:
    """Train or fetch the network of each protocol; write artifacts/features/NETWORK.

    Raises UserError for missing weights, and for fewer than two classes where they are needed.
    """
    check_stage_output(FEATURES)
    refuse_other_arithmetic()
    networks = sorted({PROTOCOLS[name].network for name in config.features.protocols})
    with atomic_directory(FEATURES) as folder:
        for name in networks:
            if name in TRAINED:
                network, classes, right = _trained(config, name)
                width = config.features.width
                save_feature_network(folder / name, name, network, classes, right, width=width)
                tested = (
                    "not tested" if right is None else f"accuracy {right:.1%} on the test videos"
                )
                print(
                    f"features: {name} has learned {len(classes)} classes, {tested} -> {FEATURES}"
                )
            else:
                FeatureNetwork.load(WEIGHTS / name)  # asserts that they are whole
                # Not a link: DVC may link its cache to this copy, and weights are the user's own.
                shutil.copytree(WEIGHTS / name, folder / name)
                print(f"features: {name} from {WEIGHTS / name} -> {FEATURES}")


def _trained(config: Config, name: str) -> tuple[SmallI3D, list[str], float | None]:
    section = config.features
    train = open_clips(SHARDS, "train", config.clip)
    task = partial(pretext_batches, seed=section.seed) if name == SELF_SUPERVISED_I3D else iter
    classes = PRETEXT_CLASSES if name == SELF_SUPERVISED_I3D else train.classes
    if len(classes) < 2:
        raise UserError(
            "the data set has only one class, and a classifier needs at least two",
            where=config.index.root,
            todo="use a protocol without classes (features.protocols: [self_supervised]) or with "
            "published networks, or sort the videos into two or more classes",
        )
    torch.manual_seed(section.seed)
    network = SmallI3D(len(classes), section.width)
    batches = task(training_batches(RandomClips(train, section.seed), section.batch_size))
    train_small_i3d(batches, network, section.steps, section.learning_rate)
    return network, classes, _test_accuracy(config, network, task)


def _test_accuracy(config: Config, network: SmallI3D, task: Task) -> float | None:
    """Fraction of test videos classified correctly, one clip each; None if no video is held out."""
    if "test" not in splits_of(open_shards(SHARDS)):
        return None
    test = open_clips(SHARDS, "test", config.clip)
    return accuracy(network, task(reference_clips(test, 1)), len(test))

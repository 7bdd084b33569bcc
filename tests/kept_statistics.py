"""Statistics of real clips in a folder, as `dvdgan reference` keeps them."""

from pathlib import Path

import torch
from torch import Tensor

from dvdgan.evaluation.features import extract
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import Description, RealStatistics, save_description
from dvdgan.video.preprocessing import Preprocessing


def keep_statistics(
    folder: Path,
    network: FeatureNetwork,
    clips: Tensor,
    stride: int = 1,
    preprocessing: Preprocessing | None = None,
) -> Description:
    """Of clips (N, T, 3, H, W) uint8, whose classes 0, 1, 2 take turns, as the split train."""
    count, frames, _, size, _ = clips.shape
    folder.mkdir(parents=True)
    statistics = RealStatistics(count, count)
    statistics.add(extract(network, [(clips, torch.arange(count) % 3)], count, "real"))
    statistics.save(folder, "train")
    described = Description(
        protocol="self_trained",
        data="0123456789abcdef",
        network="small_i3d",
        weights_sha256=network.weights_sha256,
        value_range="[-1, 1]",
        resize="none",
        resolution=size,
        frames=frames,
        stride=stride,
        clips_per_video=1,
        preprocessing=preprocessing,
    )
    save_description(folder, described, {"train": count})
    return described

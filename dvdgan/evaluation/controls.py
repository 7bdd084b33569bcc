"""Real clips without their motion: controls that separate motion from content in a metric.

Their frames are all real, so that only the motion differs.
"""

import torch
from torch import Tensor

from dvdgan.models.latent import derive_seed


def freeze_frames(clips: Tensor) -> Tensor:
    """Repeat the middle frame of each clip: content without motion.

    clips: (B, T, 3, H, W) -> the same shape, a copy.
    """
    middle = clips.shape[1] // 2
    return clips[:, middle : middle + 1].expand_as(clips).contiguous()


def repeat_last_given(clips: Tensor, given: int) -> Tensor:
    """Keep the first ``given`` frames of each clip and repeat the last of them to the end.

    clips: (B, T, 3, H, W) -> the same shape, a copy.
    """
    stopped = clips.clone()
    stopped[:, given:] = clips[:, given - 1 : given]
    return stopped


def shuffle_frames(clips: Tensor, seed: int, first: int = 0) -> Tensor:
    """Shuffle the frames of each clip: the same content, with unreal motion.

    clips: (B, T, 3, H, W), T >= 2; number ``first``, first + 1, ... of their set -> the same shape,
    a copy. The order depends only on ``seed`` and the clip's number, not on the batch. All orders
    but the true one are equally likely. Raises ValueError for a single frame.
    """
    orders = [_permutation(clips.shape[1], seed, first + row) for row in range(len(clips))]
    return torch.stack([clip[order] for clip, order in zip(clips, orders, strict=True)])


def _permutation(frames: int, seed: int, number: int) -> Tensor:
    """A permutation of 0 .. frames - 1 that is not the identity."""
    if frames < 2:
        raise ValueError("a clip of one frame cannot be shuffled")
    generator = torch.Generator().manual_seed(derive_seed(seed, "shuffle", number))
    identity = torch.arange(frames)
    while (order := torch.randperm(frames, generator=generator)).equal(identity):
        continue
    return order

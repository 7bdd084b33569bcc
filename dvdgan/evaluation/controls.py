"""Real clips robbed of their motion: they show how much of a metric is content, how much motion.

Every frame of them is real. What a metric says of them it says of motion alone.
"""

import torch
from torch import Tensor

from dvdgan.models.latent import derive_seed


def frozen(clips: Tensor) -> Tensor:
    """The middle frame of each clip, repeated: content without motion.

    clips: (B, T, 3, H, W) -> the same shape, a copy.
    """
    middle = clips.shape[1] // 2
    return clips[:, middle : middle + 1].expand_as(clips).contiguous()


def held(clips: Tensor, given: int) -> Tensor:
    """The first ``given`` frames of each clip, then the last of them until the end.

    clips: (B, T, 3, H, W) -> the same shape, a copy.
    """
    stopped = clips.clone()
    stopped[:, given:] = clips[:, given - 1 : given]
    return stopped


def shuffled(clips: Tensor, seed: int, first: int = 0) -> Tensor:
    """The frames of each clip in another order: all the content, in a motion that nothing makes.

    clips: (B, T, 3, H, W), T >= 2; they are number ``first``, first + 1, ... of their set -> the
    same shape, a copy. The order depends on ``seed`` and a clip's number alone, whatever the batch;
    every order but the true one is as likely. Raises ValueError for a single frame.
    """
    orders = [_disorder(clips.shape[1], seed, first + row) for row in range(len(clips))]
    return torch.stack([clip[order] for clip, order in zip(clips, orders, strict=True)])


def _disorder(frames: int, seed: int, number: int) -> Tensor:
    """A permutation of 0 .. frames - 1 that is not the identity."""
    if frames < 2:
        raise ValueError("one frame has no order to lose")
    generator = torch.Generator().manual_seed(derive_seed(seed, "shuffle", number))
    truth = torch.arange(frames)
    while (order := torch.randperm(frames, generator=generator)).equal(truth):
        continue
    return order

"""A task for clips without classes: in which order are the frames, and which way up?

To solve it a network has to see what moves (the order: Misra et al. 2016, Wei et al. 2018) and what
is shown (the turn: Jing et al. 2018), so its features can compare videos of one class.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from dvdgan.evaluation.networks.small_i3d import TrainingBatch
from dvdgan.models.latent import derive_seed

ORDERS = ("forward", "backward", "shuffled")
TURNS = (0, 90, 180, 270)
PRETEXT_CLASSES = [f"{order}, turned by {turn} degrees" for order in ORDERS for turn in TURNS]


def pretext_batches(batches: Iterable[tuple[Tensor, Tensor]], seed: int) -> Iterator[TrainingBatch]:
    """Each clip (T >= 3, square) in one of three orders and four turns; labels of PRETEXT_CLASSES.

    The labels of ``batches`` are not used. Classes are equally likely, and depend only on ``seed``
    and on how many clips came before. Raises ValueError for fewer than three frames.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "pretext"))
    for clips, _ in batches:
        labels = torch.randint(len(PRETEXT_CLASSES), (len(clips),), generator=generator)
        changed = [
            _changed(clip, int(label), generator) for clip, label in zip(clips, labels, strict=True)
        ]
        yield torch.stack(changed), labels


def _changed(clip: Tensor, label: int, generator: torch.Generator) -> Tensor:
    order, quarters = divmod(label, len(TURNS))
    frames = _frame_order(len(clip), ORDERS[order], generator)
    return torch.rot90(clip[frames], quarters, dims=(2, 3))


def _frame_order(frames: int, order: str, generator: torch.Generator) -> Tensor:
    forward = torch.arange(frames)
    backward = forward.flip(0)
    if order != "shuffled":
        return forward if order == "forward" else backward
    if frames < 3:
        raise ValueError("all orders of two frames are forward or backward")
    while True:
        drawn = torch.randperm(frames, generator=generator)
        if not (drawn.equal(forward) or drawn.equal(backward)):
            return drawn

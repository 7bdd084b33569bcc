"""Faults of the real clips and their labels."""

import dataclasses
from collections.abc import Callable

import torch
from fault import Fault
from torch import Tensor

from dvdgan.training.train_step import Batches, TrainStep


def nan_clip() -> Fault:
    """One level of one clip of each batch, as a decoder might leave it."""

    def spoil(clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        clips = clips.float()
        clips[0, 0, 0, 0, 0] = torch.nan
        return clips, labels

    return Fault(feed=_of_each(spoil))


def wrong_labels() -> Fault:
    """The real clips' classes are shuffled among them."""
    return Fault(feed=_of_each(lambda clips, labels: (clips, labels[torch.randperm(len(labels))])))


def random_labels(classes: int) -> Fault:
    return Fault(feed=_of_each(lambda clips, labels: (clips, torch.randint_like(labels, classes))))


def one_class(also_generated: bool) -> Fault:
    """Real clips are of class 0 alone; ``also_generated``: G makes no other, either."""

    def feed(clips: Batches) -> Batches:
        for pixels, labels in clips:
            rows = (labels == 0).nonzero().flatten()
            if len(rows) == 0:
                continue
            chosen = rows[torch.arange(len(labels)) % len(rows)]
            yield pixels[chosen], labels[chosen]

    def strike(train_step: TrainStep) -> TrainStep:
        own = torch.zeros_like(train_step.rng.class_labels)
        draws = dataclasses.replace(train_step.rng, class_labels=own)
        return dataclasses.replace(train_step, rng=draws)

    return Fault(strike, feed) if also_generated else Fault(feed=feed)


def black_clips() -> Fault:
    return Fault(feed=_of_each(lambda clips, labels: (torch.zeros_like(clips), labels)))


def negated_frames() -> Fault:
    """Every second frame of the real clips is its own negative."""

    def flicker(clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        clips = clips.clone()
        clips[:, 1::2] = 255 - clips[:, 1::2]
        return clips, labels

    return Fault(feed=_of_each(flicker))


def _of_each(
    change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> Callable[[Batches], Batches]:
    return lambda clips: (change(pixels, labels) for pixels, labels in clips)

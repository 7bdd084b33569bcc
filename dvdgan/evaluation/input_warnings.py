"""Warnings about measured clips: too few, repeated, without motion, or of one colour."""

import torch

from dvdgan.evaluation.distances import squared_distances
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.protocols import MINIMUM_CLIPS

# Features of equal clips differ by the rounding of float32 in batches of other sizes.
EQUAL = 1e-5


def input_warnings(clips: ClipFeatures, real: ClipFeatures) -> list[str]:
    """Warnings about generated ``clips``, as sentences; ``real``: the kept real clips."""
    count = len(clips)
    found = []
    if count < 2 * MINIMUM_CLIPS:
        found.append(
            f"{count} generated clips are only slightly more than the {MINIMUM_CLIPS} that a "
            "covariance needs: use several thousand"
        )
    repeated = duplicates(clips)
    if repeated:
        found.append(
            f"{repeated} of {count} generated clips repeat an earlier one: there are "
            f"{count - repeated} different ones, and the intervals are too narrow"
        )
    for what, values, others in [
        ("are static", clips.motion, real.motion),
        ("have a single colour", clips.contrast, real.contrast),
    ]:
        share = (values == 0).double().mean()
        if share > (others == 0).double().mean():
            found.append(f"{int((values == 0).sum())} of {count} generated clips {what}")
    return found


def duplicates(clips: ClipFeatures) -> int:
    """How many clips have the same features as an earlier one."""
    pooled = clips.pooled.to(torch.float64)
    lengths = pooled.square().sum(1)
    places = torch.arange(len(clips))
    repeated = torch.zeros(len(clips), dtype=torch.bool)
    for rows, squares in squared_distances(pooled, pooled):
        near = squares <= EQUAL**2 * lengths[rows, None]
        repeated[rows] = (near & (places < places[rows, None])).any(1)
    return int(repeated.sum())

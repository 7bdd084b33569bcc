"""The truncation curve: one point a level, the same latents and labels in all."""

import torch

from dvdgan.evaluation.truncation import truncation_curve
from dvdgan.models.latent import Truncation, numbered_latents


class LatentSampler:
    """A generator that shows its latents: a pixel for each value."""

    def stream(self, labels, seed, *, truncation=None):
        for start in range(0, len(labels), 4):
            chosen = labels[start : start + 4]
            z = numbered_latents(seed, start, len(chosen), 12, truncation)
            levels = (z * 20 + 128).round().clamp(0, 255).to(torch.uint8)
            yield levels.reshape(-1, 1, 3, 2, 2), chosen


def test_a_point_each_of_the_same_latents_drawn_together():
    seen = []

    def measure(batches, told):
        clips, labels = map(torch.cat, zip(*batches, strict=True))
        spread = float((clips.double() - 128).std())
        seen.append((clips, labels, told))
        return spread, float(len(labels))

    labels = torch.arange(10) % 3
    levels = [Truncation(0.25), Truncation(0.5), Truncation(1.0), Truncation(0.5, "resampled")]
    points = truncation_curve(LatentSampler(), labels, 7, levels, measure)
    assert [point.truncation for point in points] == levels
    assert [point.inception_score for point in points] == [10] * 4
    quarter, half, whole, bounded = (point.fid for point in points)
    assert abs(quarter / whole - 0.25) < 0.01 and abs(half / whole - 0.5) < 0.01
    assert bounded < half  # N(0, 1) cut off at 0.5 deviates by 0.28
    assert all(each.equal(labels) for _, each, _ in seen)
    assert seen[0][2] == "truncated at 0.25"
    gap = (seen[0][0].double() - 128) * 4 - (seen[2][0].double() - 128)
    assert gap.abs().max() <= 2.5  # rounding to levels, times 4

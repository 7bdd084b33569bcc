"""The Frechet distance between two Gaussians (Heusel et al. 2017; Dowson & Landau 1982)."""

import torch
from torch import Tensor

from dvdgan.evaluation.moments import Moments


def frechet_distance(one: Moments, other: Moments) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), in float64; 0 for equal moments, never negative.

    With S = F F^T the root's trace is the sum of the singular values of F1^T F2, which stays exact
    for singular covariances, where the square root of the product S1 S2 does not.
    """
    covariance, other_covariance = one.covariance, other.covariance
    gap = one.mean - other.mean
    root_trace = torch.linalg.svdvals(_factor(covariance).T @ _factor(other_covariance)).sum()
    traces = covariance.trace() + other_covariance.trace()
    # Equal covariances leave a rounding error of either sign.
    return float(gap @ gap + (traces - 2 * root_trace).clamp(min=0))


def _factor(covariance: Tensor) -> Tensor:
    """F with F F^T = covariance; eigenvalues below zero are rounding and count as zero."""
    values, vectors = torch.linalg.eigh(covariance)
    factor: Tensor = vectors * values.clamp(min=0).sqrt()
    return factor

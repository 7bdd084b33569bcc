"""The Frechet distance between two Gaussians (Heusel et al. 2017; Dowson & Landau 1982)."""

import math

import torch
from torch import Tensor

from dvdgan.evaluation.moments import Moments

# Largest error of the fast root over tr(S1 + S2); where it may be larger, the exact root is used.
TOLERANCE = 1e-8

# A smaller distance, over tr(S1 + S2), counts as 0: features are float32, and rounding alone gives
# up to 2e-13 between two measurements of the same clips.
ROUNDING = 1e-12


def frechet_distance(one: Moments, other: Moments) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), in float64; 0 for equal moments, never negative.

    The error is below TOLERANCE (|m1 - m2|^2 + tr S1 + tr S2), for singular covariances too. With S
    = F F^T, the root's trace is the sum of the singular values of F1^T F2. F is the centred vectors
    where they are kept (no more than D of them), else a Cholesky factor: the squares of the
    singular values are then the eigenvalues of F1^T S2 F1. Where these are too small to be
    accurate, F is computed from the eigenvectors.
    """
    covariance, other_covariance = one.covariance, other.covariance
    gap = one.mean - other.mean
    traces = covariance.trace() + other_covariance.trace()
    root_trace = None
    if one.rows is None or other.rows is None:
        root_trace = _fast_root_trace(one, other, float(traces))
    if root_trace is None:
        root_trace = torch.linalg.svdvals(_factor(one).T @ _factor(other)).sum()
    # For equal covariances the difference is a rounding error of either sign.
    distance = float(gap @ gap + (traces - 2 * root_trace).clamp(min=0))
    return distance if distance > ROUNDING * float(traces) else 0.0


def _fast_root_trace(one: Moments, other: Moments, traces: float) -> Tensor | None:
    """Sum of the roots of the eigenvalues of F^T S F; None if its error may exceed TOLERANCE."""
    if one.rows is None and (other.rows is not None or other.count > one.count):
        one, other = other, one
    S1, S2 = one.covariance, other.covariance
    # A constant feature (a dead unit) adds nothing and would make the matrix singular.
    varies = (S1.diagonal() > 0) & (S2.diagonal() > 0)
    S1, S2 = S1[varies][:, varies], S2[varies][:, varies]
    if one.rows is not None:
        factor = _thin(one)[varies]
    else:
        factor, failed = torch.linalg.cholesky_ex(S1)
        if failed:
            return None
    values = torch.linalg.eigvalsh(factor.T @ S2 @ factor)
    # N centred vectors span N - 1 dimensions; all other eigenvalues are rounding errors.
    rank = min(len(values), one.count - 1, other.count - 1)
    roots = values[len(values) - rank :].clamp(min=0).sqrt()
    # The error of an eigenvalue; that of its root is its square root or error / (2 root).
    error = torch.finfo(torch.float64).eps * S1.norm() * S2.norm()
    lost = torch.minimum(error.sqrt(), error / (2 * roots))
    unsure = roots.square() < 10 * error
    # Errors at zero are all upwards and add up; the others are independent.
    total = lost[unsure].sum() + lost[~unsure].norm()
    return roots.sum() if 2 * float(total) <= TOLERANCE * traces else None


def _factor(moments: Moments) -> Tensor:
    """F (D, r) with F F^T = covariance; r is at most count - 1."""
    if moments.rows is not None:
        return _thin(moments)
    values, vectors = torch.linalg.eigh(moments.covariance)
    # Eigenvalues below zero, or beyond the rank of so many vectors, are rounding errors.
    rank = min(len(values), moments.count - 1)
    start = len(values) - rank
    factor: Tensor = vectors[:, start:] * values[start:].clamp(min=0).sqrt()
    return factor


def _thin(moments: Moments) -> Tensor:
    assert moments.rows is not None
    return moments.rows.T / math.sqrt(moments.count - 1)

"""The Frechet distance between two Gaussians (Heusel et al. 2017; Dowson & Landau 1982)."""

import math

import torch
from torch import Tensor

from dvdgan.evaluation.moments import Moments

# Largest error of the quick root over tr(S1 + S2); where it may be larger, the exact root is taken.
TOLERANCE = 1e-8

# A smaller distance, over tr(S1 + S2), is 0: features are float32, whose last bits leave up to
# 2e-13 between two measurements of the same clips.
ROUNDING = 1e-12


def frechet_distance(one: Moments, other: Moments) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), in float64; 0 for equal moments, never negative.

    The error is below TOLERANCE (|m1 - m2|^2 + tr S1 + tr S2), for singular covariances too. With
    S = F F^T, the root's trace is the sum of the singular values of F1^T F2. Where the vectors are
    at hand (no more than D of them), they are F; else a Cholesky factor serves, and the squares of
    the singular values are the eigenvalues of F1^T S2 F1; where these are too small to be trusted,
    F comes from the eigenvectors.
    """
    covariance, other_covariance = one.covariance, other.covariance
    gap = one.mean - other.mean
    traces = covariance.trace() + other_covariance.trace()
    root_trace = None
    if one.rows is None or other.rows is None:
        root_trace = _quick_root_trace(one, other, float(traces))
    if root_trace is None:
        root_trace = torch.linalg.svdvals(_factor(one).T @ _factor(other)).sum()
    # Equal covariances leave a rounding error of either sign.
    distance = float(gap @ gap + (traces - 2 * root_trace).clamp(min=0))
    return distance if distance > ROUNDING * float(traces) else 0.0


def _quick_root_trace(one: Moments, other: Moments, traces: float) -> Tensor | None:
    """Sum of the roots of the eigenvalues of F^T S F; None where rounding may spoil it."""
    if one.rows is None and (other.rows is not None or other.count > one.count):
        one, other = other, one
    S1, S2 = one.covariance, other.covariance
    # A feature that never moves adds nothing; a dead unit would make the matrix singular.
    moves = (S1.diagonal() > 0) & (S2.diagonal() > 0)
    S1, S2 = S1[moves][:, moves], S2[moves][:, moves]
    if one.rows is not None:
        factor = _thin(one)[moves]
    else:
        factor, failed = torch.linalg.cholesky_ex(S1)
        if failed:
            return None
    values = torch.linalg.eigvalsh(factor.T @ S2 @ factor)
    # N vectors less their mean span N - 1 dimensions; what is left of other values is rounding.
    rank = min(len(values), one.count - 1, other.count - 1)
    roots = values[len(values) - rank :].clamp(min=0).sqrt()
    # An eigenvalue errs by about this much; its root by the root of that or by error / (2 root).
    error = torch.finfo(torch.float64).eps * S1.norm() * S2.norm()
    lost = torch.minimum(error.sqrt(), error / (2 * roots))
    unsure = roots.square() < 10 * error
    # Roots of zeros err upwards together, the others each its own way.
    total = lost[unsure].sum() + lost[~unsure].norm()
    return roots.sum() if 2 * float(total) <= TOLERANCE * traces else None


def _factor(moments: Moments) -> Tensor:
    """F (D, r) with F F^T = covariance; r is at most count - 1."""
    if moments.rows is not None:
        return _thin(moments)
    values, vectors = torch.linalg.eigh(moments.covariance)
    # What lies below zero, or beyond the rank that so many vectors can have, is rounding.
    rank = min(len(values), moments.count - 1)
    start = len(values) - rank
    factor: Tensor = vectors[:, start:] * values[start:].clamp(min=0).sqrt()
    return factor


def _thin(moments: Moments) -> Tensor:
    assert moments.rows is not None
    return moments.rows.T / math.sqrt(moments.count - 1)

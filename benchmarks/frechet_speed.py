"""The Frechet distance: time and error of the ways to compute it, in one run on one thread.

    python benchmarks/frechet_speed.py --dimensions 1024 2048

Features of n vectors in d dimensions with variances 1/k, rotated, and the same features moved by a
symmetric map T: the root's trace is then tr(T S) exactly, though the covariances do not commute.
Times are medians of process CPU seconds, with the methods taking turns; `x` is how many times
faster than scipy's sqrtm of the product in this run; the error is over tr(S1 + S2).
`dvdgan` is frechet_distance on moments as they come (which keep the vectors where n <= d),
`dvdgan, no rows` on means and covariances alone.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from scipy.linalg import sqrtm
from torch import Tensor

from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.moments import Moments
from dvdgan.storage.output import check_output_file, write_output


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dimensions", type=int, nargs="+", default=[400, 1024])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    if arguments.write is not None:
        check_output_file(arguments.write)
    torch.set_num_threads(1)
    print(f"{'d':>5}{'n':>6}  {'method':22}{'seconds':>9}{'x':>7}{'error':>10}")
    rows = []
    for dimensions in arguments.dimensions:
        for count in (4 * dimensions, dimensions // 2):
            rows += _measured(dimensions, count, arguments.repeats)
    if arguments.write is not None:
        write_output(arguments.write, {"rows": rows})


def _measured(d: int, n: int, repeats: int) -> list[dict[str, object]]:
    one, other, exact = _case(d, n)
    scale = float(one.covariance.trace() + other.covariance.trace())
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    errors = {}
    for _ in range(repeats):
        for name, method in METHODS.items():
            start = time.process_time()
            found = method(one, other)
            seconds[name].append(time.process_time() - start)
            errors[name] = abs(found - exact) / scale
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    rows: list[dict[str, object]] = []
    for name, median in medians.items():
        ratio = medians[SQRTM] / median
        print(
            f"{d:>5}{n:>6}  {name:22}{median:>9.3f}{ratio:>7.1f}{errors[name]:>10.1e}", flush=True
        )
        rows.append({"d": d, "n": n, "method": name, "seconds": median, "error": errors[name]})
    return rows


def _case(d: int, n: int) -> tuple[Moments, Moments, float]:
    """Moments of two sets, and their distance."""
    generator = torch.Generator().manual_seed(d + n)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    deviations = torch.arange(1, d + 1, dtype=torch.float64) ** -0.5
    features = (normal(n, d) * deviations) @ torch.linalg.qr(normal(d, d))[0].T
    turned = torch.linalg.qr(normal(d, d))[0]
    moved = features @ (turned * torch.linspace(0.5, 2, d, dtype=torch.float64)) @ turned.T
    one, other = Moments.of(features), Moments.of(moved + normal(d) / d)
    gap = one.mean - other.mean
    centred = features - one.mean
    # tr(T S), from the vectors.
    root_trace = (centred * (moved - moved.mean(0))).sum() / (n - 1)
    traces = one.covariance.trace() + other.covariance.trace()
    return one, other, float(gap @ gap + traces - 2 * root_trace)


def _with(root_trace: Callable[[Tensor, Tensor], float]) -> Callable[[Moments, Moments], float]:
    def distance(one: Moments, other: Moments) -> float:
        covariances = one.covariance, other.covariance
        gap = one.mean - other.mean
        traces = covariances[0].trace() + covariances[1].trace()
        return float(gap @ gap + traces) - 2 * root_trace(*covariances)

    return distance


def _sqrtm(one: Tensor, other: Tensor) -> float:
    return float(sqrtm(one.numpy() @ other.numpy()).real.trace())


def _eigenvalues_of_product(one: Tensor, other: Tensor) -> float:
    """As torch-fidelity and torchmetrics do it."""
    return float(torch.linalg.eigvals(one @ other).sqrt().real.sum())


def _symmetric_root(one: Tensor, other: Tensor) -> float:
    values, vectors = torch.linalg.eigh(one)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    return float(torch.linalg.eigvalsh(root @ other @ root).clamp(min=0).sqrt().sum())


def _factors(one: Tensor, other: Tensor) -> float:
    factors = []
    for covariance in (one, other):
        values, vectors = torch.linalg.eigh(covariance)
        factors.append(vectors * values.clamp(min=0).sqrt())
    return float(torch.linalg.svdvals(factors[0].T @ factors[1]).sum())


def _without_rows(one: Moments, other: Moments) -> float:
    return frechet_distance(replace(one, rows=None), replace(other, rows=None))


SQRTM = "scipy sqrtm(S1 S2)"
METHODS = {
    SQRTM: _with(_sqrtm),
    "eigvals(S1 S2)": _with(_eigenvalues_of_product),
    "eigh, eigvalsh(R S R)": _with(_symmetric_root),
    "svdvals of factors": _with(_factors),
    "dvdgan": frechet_distance,
    "dvdgan, no rows": _without_rows,
}

if __name__ == "__main__":
    main()

"""How often the 95% intervals of the metrics hold what they claim to, on Gaussians.

    python benchmarks/interval_coverage.py --repetitions 400

Every repetition draws new sets and makes the interval that dvdgan.evaluation.confidence gives the
value. The truth is the mean of the value over many other draws or, for extrapolated values, the
distance of the two Gaussians. Coverage should be 95%; over 400 repetitions it wavers by 1.1%.
Beside it: the mean standard error over the true one. `with replacement` is the usual percentile
bootstrap.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from dvdgan.evaluation.confidence import Interval, half_sampling, proportion
from dvdgan.evaluation.extrapolation import extrapolated
from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.inception_score import inception_score
from dvdgan.evaluation.kernel_distance import kernel_distance, kernel_distance_interval
from dvdgan.evaluation.manifold import manifold_scores
from dvdgan.evaluation.moments import Moments
from dvdgan.progress import track
from dvdgan.storage.output import check_output_file, write_output

DIMENSIONS = 8
REAL = torch.linspace(0.3, 2, DIMENSIONS, dtype=torch.float64)
FAKE = torch.linspace(0.5, 1.2, DIMENSIONS, dtype=torch.float64)
SHIFT = 0.3


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--clips", type=int, default=200, help="clips of every set")
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--cases", nargs="+", help="measure these cases only")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    if arguments.write is not None:
        check_output_file(arguments.write)
    torch.set_num_threads(1)
    cases = _cases(arguments.clips, arguments.splits)
    chosen = {name: cases[name] for name in arguments.cases or cases}
    print(f"{'case':44}{'truth':>10}{'coverage':>10}{'error/true':>12}")
    rows = [_row(name, *case, arguments.repetitions) for name, case in chosen.items()]
    if arguments.write is not None:
        write_output(arguments.write, {"rows": rows})


Draw = Callable[[torch.Generator], tuple[Tensor, ...]]
Case = tuple[Draw, Callable[..., Interval], Callable[..., float], float | None]


def _cases(clips: int, splits: int) -> dict[str, Case]:
    """By name: how sets are drawn, their interval, their value, and the truth where it is known."""
    real = _gaussian(REAL, 0.0, clips)
    fake = _gaussian(FAKE, SHIFT, clips)
    fixed = Moments.of(real(torch.Generator().manual_seed(1)))
    exact = SHIFT**2 * DIMENSIONS + float((REAL.sqrt() - FAKE.sqrt()).square().sum())

    def both(generator: torch.Generator) -> tuple[Tensor, ...]:
        return fake(generator), real(generator)

    def same(generator: torch.Generator) -> tuple[Tensor, ...]:
        return real(generator), real(generator)

    def alone(generator: torch.Generator) -> tuple[Tensor, ...]:
        return (fake(generator),)

    def logits(generator: torch.Generator) -> tuple[Tensor, ...]:
        return (4 * fake(generator),)

    def to_fixed(x: Tensor) -> float:
        return frechet_distance(Moments.of(x), fixed)

    def between(x: Tensor, y: Tensor) -> float:
        return frechet_distance(Moments.of(x), Moments.of(y))

    def halves(value: Callable[..., float]) -> Callable[..., Interval]:
        return lambda *sets: half_sampling(lambda *s: {"": value(*s)}, *sets, splits=splits)[""]

    def endless(value: Callable[..., float]) -> Callable[..., float]:
        return lambda *sets: partial(extrapolated, lambda *s: {"": value(*s)})(*sets)[""]

    def manifold(name: str) -> Callable[..., float]:
        return lambda x, y: asdict(manifold_scores(x, y))[name]

    def right(x: Tensor) -> int:
        return int((x[:, 0] > -1.5).sum())

    by_kernel = partial(kernel_distance_interval, splits=splits)
    return {
        "Frechet, real set fixed": (alone, halves(to_fixed), to_fixed, None),
        "the same, with replacement": (alone, _bootstrap(to_fixed, splits * 4), to_fixed, None),
        "Frechet, both sets drawn": (both, halves(between), between, None),
        "Frechet, one distribution": (same, halves(between), between, None),
        "Frechet at infinite N": (both, halves(endless(between)), endless(between), exact),
        "Inception Score": (logits, halves(inception_score), inception_score, None),
        "kernel distance": (both, by_kernel, kernel_distance, None),
        "kernel distance, one distribution": (same, by_kernel, kernel_distance, 0.0),
        "accuracy": (
            alone,
            lambda x: proportion(right(x), len(x)),
            lambda x: right(x) / len(x),
            None,
        ),
        **{
            name: (both, halves(manifold(name)), manifold(name), None)
            for name in ("precision", "recall", "density", "coverage")
        },
    }


def _gaussian(variance: Tensor, mean: float, clips: int) -> Callable[[torch.Generator], Tensor]:
    def draw(generator: torch.Generator) -> Tensor:
        unit = torch.randn(clips, DIMENSIONS, generator=generator, dtype=torch.float64)
        return unit * variance.sqrt() + mean

    return draw


def _bootstrap(value: Callable[[Tensor], float], draws: int) -> Callable[[Tensor], Interval]:
    """The percentile interval of resampling with replacement."""

    def made(x: Tensor) -> Interval:
        generator = torch.Generator().manual_seed(0)
        count = len(x)
        found = torch.tensor(
            [value(x[torch.randint(count, (count,), generator=generator)]) for _ in range(draws)]
        )
        low, high = found.quantile(torch.tensor([0.025, 0.975])).tolist()
        return Interval(value(x), float(found.std()), low, high)

    return made


def _row(
    name: str,
    draw: Draw,
    made: Callable[..., Interval],
    value: Callable[..., float],
    truth: float | None,
    repetitions: int,
) -> dict[str, object]:
    generator = torch.Generator().manual_seed(2)
    others = torch.tensor([value(*draw(generator)) for _ in range(5 * repetitions)])
    truth = float(others.mean()) if truth is None else truth
    intervals = [made(*draw(generator)) for _ in track(range(repetitions), name, repetitions, "")]
    covered = sum(each.low <= truth <= each.high for each in intervals) / repetitions
    error = sum(each.error for each in intervals) / repetitions / float(others.std())
    print(f"{name:44}{truth:>10.4g}{covered:>10.1%}{error:>12.2f}", flush=True)
    return {"case": name, "truth": truth, "coverage": covered, "error_over_true": error}


if __name__ == "__main__":
    main()

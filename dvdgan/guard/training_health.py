"""How training went between two readings: the trainer's telemetry in a few numbers."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from dvdgan.guard.evaluation_record import Numbers

DISCRIMINATORS = ("spatial", "temporal")
BLOCK_BYTES = 1 << 20

Line = dict[str, Any]
Spectra = dict[str, list[float | None]]


def training_health(steps: Sequence[Line], spectra: Sequence[Line]) -> Numbers:
    """The signals of a stretch of training, from its lines of metrics.jsonl and of spectra.jsonl.

    For each discriminator: `D_loss`, the median of its hinge loss (2 when it tells nothing, 0 when
    it never errs), and `D_gap`, the mean of its logits on real clips less those on generated ones.
    For G and each discriminator: `X_gradient`, the median norm of its gradient, and `X_burst`, the
    largest over the median. For both networks `X_singular_values`, the largest factor by which the
    largest singular value of a layer grew from the first line of ``spectra`` to the last; None
    where a weight is not finite. What the lines do not tell is left out.
    """
    told: Numbers = {}
    for name in DISCRIMINATORS:
        if losses := _values(steps, f"{name}_loss"):
            told[f"{name}_loss"] = median(losses)
            told[f"{name}_gap"] = fmean(_values(steps, f"{name}_real")) - fmean(
                _values(steps, f"{name}_fake")
            )
    for name in ("generator", *DISCRIMINATORS):
        if norms := _values(steps, f"{name}_gradient_norm"):
            typical = median(norms)
            told[f"{name}_gradient"] = typical
            told[f"{name}_burst"] = max(norms) / typical if typical else 1.0
    if len(spectra) > 1:
        for network in ("generator", "discriminators"):
            growth = f"{network}_singular_values"
            told[growth] = _growth(spectra[0][network], spectra[-1][network])
    return told


def lines_between(path: Path, first: int, last: int) -> list[Line]:
    """The lines of a telemetry file of the steps ``first`` to ``last``, both included, in order.

    Reads from the end of the file, and no further back than it must: it grows with the run.
    """
    if not path.is_file():
        return []
    tail = b""
    with path.open("rb") as file:
        start = file.seek(0, 2)
        while start > 0 and not _reaches_back(tail, first):
            size = min(BLOCK_BYTES, start)
            start -= size
            file.seek(start)
            tail = file.read(size) + tail
    lines = map(json.loads, _whole_lines(tail, begins_whole=start == 0))
    return [line for line in lines if first <= line["step"] <= last]


def _reaches_back(tail: bytes, first: int) -> bool:
    lines = _whole_lines(tail, begins_whole=False)
    return bool(lines) and bool(json.loads(lines[0])["step"] < first)


def _whole_lines(tail: bytes, begins_whole: bool) -> list[bytes]:
    """Without the rest of a line at the beginning and one that is being written at the end."""
    begin = 0 if begins_whole else tail.find(b"\n") + 1
    return tail[begin : tail.rfind(b"\n") + 1].splitlines()


def _values(steps: Sequence[Line], name: str) -> list[float]:
    return [line[name] for line in steps if line.get(name) is not None]


def _growth(before: Spectra, now: Spectra) -> float | None:
    factors: list[float] = []
    for layer, (largest, *_) in now.items():
        earlier = before[layer][0]
        if largest is None or earlier is None:
            return None
        factors.append(largest / earlier if earlier else 1.0)
    return max(factors, default=1.0)

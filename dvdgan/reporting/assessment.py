"""Whether a run has learned its videos: one word from all metrics and controls, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from dvdgan.reporting.scores import GENERATED, format_number

REAL = "real test clips"
UNTRAINED, MEAN_CLIP = "untrained generator", "mean clip"

LEARNED, PARTLY, NOT_YET, COLLAPSED = "learned", "partly learned", "not yet learned", "collapsed"

# Learned: FVD is at most this many times the floor, that of real test clips, and each of the other
# metrics at least this share of its value for them.
MOST_TIMES_FLOOR = 5.0
LEAST_SHARE = {"precision": 0.5, "coverage": 0.5, "accuracy": 0.9}
# Partly: at most this share of the untrained generator's FVD (and below the mean clip's), and at
# least this share of the precision and coverage of real test clips.
MOST_SHARE_UNTRAINED = 0.5
LEAST_SHARE_PARTLY = 0.1
# Collapsed: clips of one class differ by less than this share of what real ones do.
LEAST_DIVERSITY = 0.1


@dataclass(frozen=True)
class Criterion:
    """One condition of LEARNED."""

    metric: str
    value: float
    limit: float
    is_distance: bool
    """The value has to be at most the limit; else at least."""

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.is_distance else self.value >= self.limit

    @property
    def limit_text(self) -> str:
        """The limit in words."""
        word = "at most" if self.is_distance else "at least"
        return f"{word} {format_number(self.limit)}"


@dataclass(frozen=True)
class Assessment:
    """What a run has learned."""

    word: str
    """LEARNED, PARTLY, NOT_YET or COLLAPSED."""
    reason: str
    """Why, in a clause: FVD is 12 times that of real test clips, coverage is 0.3 (...)."""
    criteria: list[Criterion]
    floor_ratio: float | None
    """FVD over that of real test clips; None without test clips."""
    diversity: float | None
    """Mean distance of pairs of one class over that of real pairs; None if it was not measured."""
    comparable_neighbours: bool
    """Samples are close enough to real clips for their nearest training clips to mean something."""

    @property
    def sentence(self) -> str:
        """The word and the reason."""
        return f"{self.word.capitalize()}: {self.reason}."


def assess(measured: Mapping[str, Any]) -> Assessment:
    """Judge the generated clips of results_by_name."""
    generated, controls = measured[GENERATED], measured.get("controls", {})
    fvd, real = generated["FVD"]["value"], controls.get(REAL, {})
    floor = real["FVD"]["value"] if "FVD" in real else None
    ratio = fvd / floor if floor is not None and floor > 0 else None
    criteria = _criteria(generated, real, floor)
    diversity = _diversity(measured)
    if diversity is not None and diversity < LEAST_DIVERSITY:
        word = COLLAPSED
    elif floor is not None and all(each.met for each in criteria):
        word = LEARNED
    else:
        word = PARTLY if _has_begun(generated, controls) else NOT_YET
    precision = _value(generated, "precision")
    limit = LEAST_SHARE["precision"] * _of_real(real, "precision")
    return Assessment(
        word=word,
        reason=_reason(word, fvd, ratio, criteria, diversity),
        criteria=criteria,
        floor_ratio=ratio,
        diversity=diversity,
        comparable_neighbours=precision is not None and precision >= limit,
    )


def _criteria(
    generated: Mapping[str, Any], real: Mapping[str, Any], floor: float | None
) -> list[Criterion]:
    found = []
    if floor is not None:
        limit = MOST_TIMES_FLOOR * floor
        found.append(Criterion("FVD", generated["FVD"]["value"], limit, is_distance=True))
    for metric, share in LEAST_SHARE.items():
        value = _value(generated, metric)
        if value is not None:
            limit = share * _of_real(real, metric)
            found.append(Criterion(metric, value, limit, is_distance=False))
    return found


def _has_begun(generated: Mapping[str, Any], controls: Mapping[str, Any]) -> bool:
    fvd, real = generated["FVD"]["value"], controls.get(REAL, {})
    limits = {UNTRAINED: MOST_SHARE_UNTRAINED, MEAN_CLIP: 1.0}
    others = [
        (controls[name]["FVD"]["value"], share)
        for name, share in limits.items()
        if "FVD" in controls.get(name, {})
    ]
    near = all(fvd <= share * other for other, share in others)
    return near and all(
        (_value(generated, metric) or 0.0) >= LEAST_SHARE_PARTLY * _of_real(real, metric)
        for metric in ("precision", "coverage")
    )


def _value(metrics: Mapping[str, Any], name: str) -> float | None:
    return float(metrics[name]["value"]) if name in metrics else None


def _of_real(real: Mapping[str, Any], metric: str) -> float:
    """The value for real test clips; without them 1, the largest value."""
    value = _value(real, metric)
    return 1.0 if value is None else value


def _diversity(measured: Mapping[str, Any]) -> float | None:
    rows = [
        row
        for details in measured.get("details", {}).values()
        for row in details.get("per_class", {}).values()
        if row.get("diversity") is not None and row.get("real_diversity")
    ]
    return fmean(row["diversity"] / row["real_diversity"] for row in rows) if rows else None


def _reason(
    word: str,
    fvd: float,
    ratio: float | None,
    criteria: list[Criterion],
    diversity: float | None,
) -> str:
    if word == COLLAPSED and diversity is not None:
        share = f"{format_number(100 * diversity)}%"
        return f"videos of one class differ by {share} of what real ones do"
    parts = [f"FVD is {format_number(fvd)}"]
    if ratio is not None:
        parts = [f"FVD is {format_number(ratio)} times that of real test clips"]
    parts += [
        f"{each.metric} is {format_number(each.value)} ({each.limit_text} is needed)"
        for each in criteria
        if not each.met and each.metric != "FVD"
    ]
    return ", ".join(parts)

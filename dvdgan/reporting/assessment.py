"""Whether a run has learned its videos: one word from all metrics and controls, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from dvdgan.reporting.scores import GENERATED, MEAN_CLIP, REAL, UNTRAINED, format_number

LEARNED, PARTLY, NOT_YET = "learned", "partly learned", "not yet learned"
MEMORISED, COLLAPSED = "memorised", "collapsed"

# Partly learned: FVD is at most this share of that of the untrained generator and of the mean clip,
# and precision and coverage are at least this share of those of real test clips.
MOST_SHARE = {UNTRAINED: 0.5, MEAN_CLIP: 1.0}
LEAST_SHARE_PARTLY = 0.1
# Learned: in addition, FVD is at most this many times the floor, that of real test clips, and each
# of the other metrics at least this share of its value for them.
MOST_TIMES_FLOOR = 5.0
LEAST_SHARE = {"precision": 0.5, "coverage": 0.5, "accuracy": 0.9}
# Collapsed: clips of one class differ by less than this share of what real ones do.
LEAST_DIVERSITY = 0.1
# Some samples may be copies: more than this share lies nearer to a training clip than the nearest
# 5% of real test clips do.
MOST_NEAR_SHARE = 0.1


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
    """LEARNED, PARTLY, NOT_YET, MEMORISED or COLLAPSED."""
    reason: str
    """The main reason, in a clause: FVD is 12 times that of real test clips."""
    criteria: list[Criterion]
    floor_ratio: float | None
    """FVD over that of real test clips; None without test clips."""
    diversity: float | None
    """Mean distance of pairs of one class over that of real pairs; None if it was not measured."""
    copying: str | None
    """Whether the model repeats its training clips, in a clause; None without test clips."""

    @property
    def sentence(self) -> str:
        """The word, the reason and the other conditions that are not met."""
        missed = [
            f"{each.metric} is {format_number(each.value)} ({each.limit_text} is needed)"
            for each in self.criteria
            if not each.met and each.metric != "FVD"
        ]
        more = missed if self.word in (PARTLY, NOT_YET) else []
        return f"{self.word.capitalize()}: {', '.join([self.reason, *more])}."


def assess(measured: Mapping[str, Any]) -> Assessment:
    """Judge the generated clips of results_by_name."""
    generated, controls = measured[GENERATED], measured.get("controls", {})
    fvd, real = generated["FVD"]["value"], controls.get(REAL, {})
    floor = real["FVD"]["value"] if "FVD" in real else None
    criteria = _criteria(generated, controls, floor)
    diversity, nearest = _diversity(measured), _nearest(measured)
    has_begun = not _far_from(fvd, controls) and all(
        value is None or value >= LEAST_SHARE_PARTLY * _of_real(real, metric)
        for metric in ("precision", "coverage")
        for value in [_value(generated, metric)]
    )
    if diversity is not None and diversity < LEAST_DIVERSITY:
        word = COLLAPSED
    elif not has_begun:
        word = NOT_YET
    elif nearest.get("memorising"):
        word = MEMORISED
    else:
        word = LEARNED if floor is not None and all(each.met for each in criteria) else PARTLY
    ratio = fvd / floor if floor is not None and floor > 0 else None
    reasons = {
        COLLAPSED: f"videos of one class differ by {_percent(diversity)} of what real ones do",
        MEMORISED: "the model repeats its training clips: a generated video lies nearer to them "
        f"than a real test clip does in {_percent(nearest.get('nearer'))} of all pairs",
    }
    return Assessment(
        word=word,
        reason=reasons.get(word) or _distances(fvd, ratio, controls),
        criteria=criteria,
        floor_ratio=ratio,
        diversity=diversity,
        copying=_copying(nearest, generated, real),
    )


def _criteria(
    generated: Mapping[str, Any], controls: Mapping[str, Any], floor: float | None
) -> list[Criterion]:
    found = []
    if floor is not None:
        limits = [share * other for _, other, share in _useless(controls)]
        limit = min([MOST_TIMES_FLOOR * floor, *limits])
        found.append(Criterion("FVD", generated["FVD"]["value"], limit, is_distance=True))
    for metric, share in LEAST_SHARE.items():
        value = _value(generated, metric)
        if value is not None:
            limit = share * _of_real(controls.get(REAL, {}), metric)
            found.append(Criterion(metric, value, limit, is_distance=False))
    return found


def _useless(controls: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Name, FVD and MOST_SHARE of each control that represents a useless model."""
    return [
        (name, controls[name]["FVD"]["value"], share)
        for name, share in MOST_SHARE.items()
        if "FVD" in controls.get(name, {})
    ]


def _far_from(fvd: float, controls: Mapping[str, Any]) -> list[str]:
    """A clause for each useless control which ``fvd`` hardly improves on."""
    return [
        f"{format_number(fvd / other)} times that of the {name} (at most {share:g} is needed)"
        for name, other, share in _useless(controls)
        if fvd > share * other
    ]


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


def _nearest(measured: Mapping[str, Any]) -> Mapping[str, Any]:
    """The comparison with the nearest training clips; empty without test clips."""
    for found in measured.get("memorisation", {}).values():
        nearest: Mapping[str, Any] = found.get("nearest", {})
        return nearest
    return {}


def _copying(
    nearest: Mapping[str, Any], generated: Mapping[str, Any], real: Mapping[str, Any]
) -> str | None:
    if not nearest:
        return None
    if nearest["memorising"]:
        return "the model repeats its training clips"
    if nearest["near_share"] > MOST_NEAR_SHARE:
        return "some generated videos may be copies: look at the nearest ones below"
    precision = _value(generated, "precision")
    if precision is None or precision < LEAST_SHARE["precision"] * _of_real(real, "precision"):
        return (
            "the generated videos are too far from real ones to judge whether the model memorises"
        )
    return "no sign of memorising"


def _distances(fvd: float, ratio: float | None, controls: Mapping[str, Any]) -> str:
    parts = [f"FVD is {format_number(fvd)}"]
    if ratio is not None:
        limit = f" (at most {MOST_TIMES_FLOOR:g} is needed)" if ratio > MOST_TIMES_FLOOR else ""
        parts = [f"FVD is {format_number(ratio)} times that of real test clips{limit}"]
    return ", ".join(parts + _far_from(fvd, controls)[:1])


def _percent(share: float | None) -> str:
    return f"{format_number(100 * (share or 0.0))}%"

"""The metrics as a reader meets them: a card each, with controls that give the number a scale."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GENERATED = "generated"


def by_metric(found: Mapping[str, Any]) -> dict[str, Any]:
    """A section of metrics.json by metric alone: FVD for FVD[self_trained,256,5e6f7a8b].

    In one section each metric stands once. Files of older versions have bare names.
    """
    return {key.partition("[")[0]: each for key, each in found.items()}


def unkeyed(document: Mapping[str, Any]) -> dict[str, Any]:
    """metrics.json with its generated clips and controls by metric alone."""
    controls = document.get("controls", {})
    return {
        **document,
        GENERATED: by_metric(document[GENERATED]),
        "controls": {who: by_metric(metrics) for who, metrics in controls.items()},
    }


@dataclass(frozen=True)
class Mark:
    """One measured set of clips on a metric's scale."""

    who: str
    value: float
    place: float
    """Position on the scale, 0 (best) to 100 (worst), in percent."""


@dataclass(frozen=True)
class Card:
    """One metric: what it asks, the generated clips' value, and everyone's place."""

    metric: str
    question: str
    direction: str
    value: float
    name: str
    marks: list[Mark]


# metric: (the question in plain words, is less better?)
QUESTIONS = {
    "FVD": ("How far are generated videos from real ones, as the network judges them?", True),
    "FID": ("How far are their features from real ones?", True),
    "IS": ("Are they clear, and of many kinds?", False),
    "accuracy": ("How often does a video show the class asked for?", False),
}


def cards(measured: dict[str, Any]) -> list[Card]:
    """A card for each metric of the generated clips in metrics.json, known ones first."""
    generated = measured[GENERATED]
    order = [name for name in QUESTIONS if name in generated]
    return [_card(name, measured) for name in order]


def metric_names(measured: dict[str, Any]) -> list[str]:
    """Every metric of the generated clips, those with a card first."""
    generated = measured[GENERATED]
    known = [name for name in QUESTIONS if name in generated]
    return known + sorted(generated.keys() - QUESTIONS.keys())


def headline(measured: dict[str, Any]) -> str:
    """One sentence: how generated clips fare against the controls that are not real."""
    value = measured[GENERATED]["FVD"]["value"]
    rivals = {
        who: metrics["FVD"]["value"]
        for who, metrics in measured.get("controls", {}).items()
        if "real" not in who and "FVD" in metrics
    }
    told = ", ".join(
        f"{_against(rival / max(value, 1e-12))} the {who}" for who, rival in rivals.items()
    )
    return f"Generated videos are at FVD {shown(value)} from real ones{': ' if told else ''}{told}."


def _against(ratio: float) -> str:
    """A rival's distance over ours, in words that go before the rival's name."""
    if ratio < 0.9:
        return "farther than"
    if ratio < 1.1:
        return "about as far as"
    return f"{ratio:.0f} times nearer than" if ratio >= 10 else f"{ratio:.1f} times nearer than"


def numbers_table(measured: dict[str, Any]) -> str:
    """The metrics as aligned text: a line for each set of clips, a column for each metric.

    The last column counts the clips: of fewer clips a distance is larger. Below the generated
    clips' line stands how far their values may be off (95%).
    """
    generated = measured[GENERATED]
    metrics = [name for name in QUESTIONS if name in generated]
    rows = [
        (
            who,
            [shown(found[name]["value"]) if name in found else "-" for name in metrics]
            + [_clips(found)],
        )
        for who, found in [(GENERATED, generated), *measured.get("controls", {}).items()]
    ]
    reaches = [_reach(generated[name]) for name in metrics]
    if any(reaches):
        rows.insert(1, ("", [*(f"+-{reach}" if reach else "-" for reach in reaches), ""]))
    width = max(len(who) for who, _ in rows)
    lines = [" " * width + "".join(f"{head:>11}" for head in (*metrics, "clips"))]
    lines += [f"{who:<{width}}" + "".join(f"{text:>11}" for text in texts) for who, texts in rows]
    return "\n".join(lines)


def _clips(metrics: dict[str, Any]) -> str:
    """How many clips were measured, such as `256`; by protocols of several counts `256, 2,048`."""
    counts = {each["protocol"]["clips"] for each in metrics.values()}
    return ", ".join(f"{count:,}" for count in sorted(counts))


def _reach(metric: dict[str, Any]) -> str:
    """Half the width of the metric's interval; empty without one."""
    if not metric.get("interval"):
        return ""
    low, high = metric["interval"]
    return shown((high - low) / 2)


def shown(value: float) -> str:
    """A number with three meaningful digits and no exponent where that stays short."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _card(metric: str, measured: dict[str, Any]) -> Card:
    question, less_is_better = QUESTIONS[metric]
    found = {GENERATED: measured[GENERATED][metric]}
    for who, metrics in measured.get("controls", {}).items():
        if metric in metrics:
            found[who] = metrics[metric]
    values = {who: float(each["value"]) for who, each in found.items()}
    places = _places(list(values.values()), less_is_better)
    return Card(
        metric=metric,
        question=question,
        direction="lower is better" if less_is_better else "higher is better",
        value=values[GENERATED],
        name=found[GENERATED]["name"],
        marks=[
            Mark(who, value, place)
            for (who, value), place in zip(values.items(), places, strict=True)
        ],
    )


def _places(values: list[float], less_is_better: bool) -> list[float]:
    """Distances spread over orders of magnitude and are placed by logarithm, scores as they are."""
    scaled = [math.log1p(value) for value in values] if less_is_better else values
    lowest, highest = min(scaled), max(scaled)
    span = (highest - lowest) or 1.0
    from_best = [(value - lowest) / span * 100 for value in scaled]
    return from_best if less_is_better else [100 - place for place in from_best]

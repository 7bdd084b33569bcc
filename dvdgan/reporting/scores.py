"""The metrics for readers: a card for each with its controls, and a text table."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvdgan.storage.local import read_json
from dvdgan.storage.reading import reading

GENERATED = "generated"
MISSING = "–"
REAL, UNTRAINED, MEAN_CLIP = "real test clips", "untrained generator", "mean clip"
# From good to bad; others follow.
CONTROLS = (
    REAL,
    "generated from test clips",
    "real clips, shuffled",
    "real clips, frozen",
    "last given frame repeated",
    UNTRAINED,
    MEAN_CLIP,
)


def metrics_by_name(found: Mapping[str, Any]) -> dict[str, Any]:
    """A section of results.json by metric name: FVD for the key FVD[self_trained,256,5e6f7a8b].

    A section has each metric once. Files of older versions have names as keys.
    """
    return {key.partition("[")[0]: each for key, each in found.items()}


def read_results(folder: Path) -> dict[str, Any]:
    """results_by_name of what `dvdgan evaluate` wrote to ``folder``.

    That is results.json; in older versions it was metrics.json.
    """
    files = (folder / "results.json", folder / "metrics.json")
    path = next((file for file in files if file.is_file()), files[0])
    document = read_json(path)
    with reading(path, "the results of an evaluation"):
        return results_by_name(document)


def results_by_name(document: Mapping[str, Any]) -> dict[str, Any]:
    """The results with the generated clips and the controls by metric name, controls in order.

    Raises KeyError, TypeError, ValueError or AttributeError for a document that holds none.
    """
    found = document.get("controls", {})
    names = [name for name in CONTROLS if name in found] + sorted(found.keys() - set(CONTROLS))
    for section in (document[GENERATED], *found.values()):
        for name, each in section.items():
            _check(name, each)
    return {
        **document,
        GENERATED: metrics_by_name(document[GENERATED]),
        "controls": {name: metrics_by_name(found[name]) for name in names},
    }


def _check(name: str, metric: Mapping[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError for what is no metric."""
    numbers = [metric["value"], *(metric.get("interval") or (0, 0))]
    if len(numbers) != 3 or not all(type(number) in (int, float) for number in numbers):
        raise ValueError(f"{name} is {numbers}")


@dataclass(frozen=True)
class MetricCard:
    """One metric of the generated clips and of the controls."""

    metric: str
    question: str
    direction: str
    value: float
    values: dict[str, float]
    """By set of clips, best first."""
    is_distance: bool

    def position(self, name: str) -> float:
        """Where the value of ``name`` lies on the card's scale, 0 to 100.

        Shares and scores start at 0; distances are logarithmic from the smallest value.
        """
        value, highest = self.values[name], max(self.values.values())
        if not self.is_distance:
            return 100 * max(value, 0.0) / max(highest, 1.0)
        positive = [other for other in self.values.values() if other > 0]
        if value <= 0 or highest <= min(positive):
            return 0.0
        return 100 * math.log(value / min(positive)) / math.log(highest / min(positive))

    def rows(self, own: str) -> list[dict[str, Any]]:
        """A bar or a dot for each set of clips; that of ``own`` is highlighted."""
        mark = "dot" if self.is_distance else "bar"
        return [
            {
                "name": name,
                "value": value,
                "position": self.position(name),
                "mark": mark,
                "own": name == own,
            }
            for name, value in self.values.items()
        ]


# Lower is better in metrics of these names, and in those that begin like them: FVD_frames.
DISTANCES = ("FVD", "FID", "KVD")
# What each metric measures, in plain words.
CARDS = {
    "FVD": "How far generated videos are from real ones, in content and motion.",
    "accuracy": "Share of videos that show the requested class.",
    "precision": "Share of generated videos that look like real ones.",
    "coverage": "Share of real videos that have a generated one like them.",
}
# In this order in tables, before all other metrics.
KNOWN = (*CARDS, "FID", "IS")


def cards(measured: dict[str, Any]) -> list[MetricCard]:
    """A card for each of CARDS that was measured."""
    return [_card(name, measured) for name in CARDS if name in measured[GENERATED]]


def metric_names(measured: dict[str, Any]) -> list[str]:
    """Every metric of the generated clips, those with a card first."""
    return in_order(measured[GENERATED])


def in_order(metrics: Iterable[str]) -> list[str]:
    """Names of metrics as tables and charts have them: those with a card first."""
    found = set(metrics)
    return [name for name in KNOWN if name in found] + sorted(found - set(KNOWN))


def numbers_table(measured: dict[str, Any]) -> str:
    """The metrics as aligned text: a line for each set of clips, a column for each metric.

    The last column is the number of clips: with fewer clips a distance is larger. The line below
    the generated clips has the half widths of their 95% intervals.
    """
    generated = measured[GENERATED]
    metrics = [name for name in KNOWN if name in generated]
    rows = [
        (
            who,
            [format_number(found[name]["value"]) if name in found else "-" for name in metrics]
            + [clip_counts(found)],
        )
        for who, found in [(GENERATED, generated), *measured.get("controls", {}).items()]
    ]
    reaches = [_reach(generated[name]) for name in metrics]
    if any(reaches):
        rows.insert(
            1, ("  95% interval", [*(f"+-{reach}" if reach else "-" for reach in reaches), ""])
        )
    width = max(len(who) for who, _ in rows)
    heads = [" " * width + "".join(f"{head:>11}" for head in (*metrics, "clips"))]
    words = "".join(f"{better_if(name):>11}" for name in metrics)
    lines = [*heads, f"{'better if':<{width}}{words}{'':>11}"]
    lines += [f"{who:<{width}}" + "".join(f"{text:>11}" for text in texts) for who, texts in rows]
    return "\n".join(lines)


def is_distance(metric: str) -> bool:
    """Whether lower values of the metric are better."""
    return metric.startswith(DISTANCES)


def better_if(metric: str) -> str:
    """`lower` or `higher`."""
    return "lower" if is_distance(metric) else "higher"


def clip_counts(metrics: dict[str, Any]) -> str:
    """Number of measured clips, such as `256`; for protocols of several counts `256, 2,048`."""
    counts = {each["protocol"]["clips"] for each in metrics.values()}
    return ", ".join(f"{count:,}" for count in sorted(counts))


def _reach(metric: dict[str, Any]) -> str:
    """Half the width of the metric's interval; empty without one."""
    if not metric.get("interval"):
        return ""
    low, high = metric["interval"]
    return format_number((high - low) / 2)


def format_number(value: float | None) -> str:
    """A number with three significant digits, and without an exponent up to large numbers.

    None means that a number was not measured or is not finite.
    """
    if value is None:
        return MISSING
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _card(metric: str, measured: dict[str, Any]) -> MetricCard:
    found = {GENERATED: measured[GENERATED], **measured.get("controls", {})}
    values = {
        name: float(metrics[metric]["value"])
        for name, metrics in found.items()
        if metric in metrics
    }
    best_first = sorted(values.items(), key=lambda item: item[1], reverse=not is_distance(metric))
    return MetricCard(
        metric=metric,
        question=CARDS[metric],
        direction=f"{better_if(metric)} is better",
        value=values[GENERATED],
        values=dict(best_first),
        is_distance=is_distance(metric),
    )


def protocol_lines(metrics: Mapping[str, Any]) -> list[str]:
    """How the generated clips were measured, in words: a line for each protocol."""
    lines = []
    for metric in metrics.values():
        found = metric["protocol"]
        if "network" not in found:  # written by an older version
            continue
        line = (
            f"Protocol {found['protocol']}: {found['network']}, {found['frames']} frames of "
            f"{found['resolution']} x {found['resolution']}, stride {found['stride']}"
        )
        if line not in lines:
            lines.append(line)
    return lines

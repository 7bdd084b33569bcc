"""The report page: one HTML file that needs no other file or network."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from dvdgan.guard import ledger
from dvdgan.guard.ledger import Event
from dvdgan.reporting.assessment import assess
from dvdgan.reporting.charts import (
    LEAST_POINTS,
    TelemetryRecord,
    health_curves,
    marks,
    metric_curves,
    training_curves,
)
from dvdgan.reporting.figures import truncation_chart
from dvdgan.reporting.scores import (
    GENERATED,
    better_if,
    cards,
    clip_counts,
    format_number,
    in_order,
    metric_names,
    protocol_lines,
)
from dvdgan.reporting.template import fill

# Rows shown of the refused table and of the ledger; the files hold all of them.
MOST_ROWS = 200
# Classes whose videos are shown at once; the others are folded.
MOST_CLASSES = 6


@dataclass(frozen=True)
class ClassSamples:
    """Generated and real clips of one class."""

    name: str
    generated: str
    """mp4 data URI, as is ``real``."""
    real: str | None


@dataclass(frozen=True)
class TrainingPreview:
    """A sample sheet made during training."""

    step: int
    source: str
    """mp4 or PNG data URI."""


@dataclass(frozen=True)
class Content:
    """All contents of the page."""

    samples: list[ClassSamples]
    conditioning_frames: int
    """Given frames of every clip; 0 in synthesis."""
    previews: list[TrainingPreview]
    measured: dict[str, Any]
    """results.json: generated, controls, truncation, details, memorisation, warnings."""
    sheets: dict[str, str]
    """Nearest training clips and interpolations: title -> mp4 data URI."""
    telemetry: list[TelemetryRecord]
    ledger: list[Event]
    drift: dict[str, Any]
    """The drift report's summary.json: columns, drifted, share, threshold."""
    data_set: dict[str, Any]
    """The index's summary.json: videos, classes, splits and other counts."""
    refused: list[dict[str, str]]
    """Rows of refused.csv: path, reason, detail."""
    params: str
    """The text of params.yaml."""
    environment: dict[str, str]
    identity: dict[str, str]
    """Which run this is, by reporting/identity.py."""


def render(content: Content) -> str:
    """The page as HTML. Equal content gives equal bytes; all text is escaped."""
    measured = content.measured
    evaluated = [event for event in content.ledger if event["event"] == "evaluated"]
    curves = {
        "metric_curves": metric_curves(content.ledger),
        "health_curves": health_curves(content.ledger),
        "training_curves": training_curves(content.telemetry),
    }
    shown = {
        name: [each for each in found if each.points >= LEAST_POINTS]
        for name, found in curves.items()
    }
    return fill(
        "page.html.j2",
        content=content,
        chart_data={each.title: each.data() for found in shown.values() for each in found},
        marks=list(marks(content.ledger)),
        **shown,
        generated=GENERATED,
        assessment=assess(measured),
        cards=cards(measured),
        metrics=metric_names(measured),
        better_if=better_if,
        columns={GENERATED: measured[GENERATED], **measured.get("controls", {})},
        clips=clip_counts,
        protocols=protocol_lines(measured[GENERATED]),
        truncation=_truncation(measured.get("truncation", [])),
        most_classes=MOST_CLASSES,
        checkpoints=_with_fates(content.ledger, evaluated),
        checkpoint_metrics=in_order(name for event in evaluated for name in event["metrics"]),
        incidents=list(_incidents(content.ledger)),
        drift=_drift_rows(content.drift),
        ledger=[_ledger_row(record) for record in content.ledger[:MOST_ROWS]],
        reasons=Counter(row["reason"] for row in content.refused).most_common(),
        most_rows=MOST_ROWS,
    )


def _drift_rows(drift: dict[str, Any]) -> list[dict[str, Any]]:
    columns = sorted(drift["columns"].items(), key=lambda item: item[1], reverse=True)
    highest = max(value for _, value in columns)
    return [
        {
            "name": name,
            "value": value,
            "position": 100 * value / max(highest, drift["threshold"]),
            "mark": "bar",
            "own": name in drift["drifted"],
        }
        for name, value in columns
    ]


def _truncation(points: list[dict[str, Any]]) -> Markup | None:
    if len(points) < LEAST_POINTS:
        return None
    return truncation_chart(
        [
            {"level": each["level"], "FID": each["FID"]["value"], "IS": each["IS"]["value"]}
            for each in points
        ]
    )


def _with_fates(events: list[Event], evaluated: list[Event]) -> list[tuple[Event, str]]:
    """Each evaluation, and what became of its checkpoint: `best so far`, `rolled back` or neither.

    A step that was rolled back is evaluated again later.
    """
    kept, best = ledger.evaluations(events), ledger.best_so_far(events)
    return [
        (event, "rolled back")
        if event not in kept
        else (event, "best so far" if event["step"] in best else "")
        for event in evaluated
    ]


def _incidents(events: list[Event]) -> Iterator[str]:
    """Rollbacks and early ends in words, for the top of the page."""
    for event in events:
        if event["event"] == "rolled_back":
            why = "; ".join(event["reasons"])
            what = ledger.describe({**event, "reasons": []})
            began = event.get("from_step", "unknown")  # missing in early ledgers
            yield f"Collapse at step {began} ({why}): training went {what}"
        elif event["event"] in ("ended_early", "never_learned"):
            yield f"Training {ledger.describe(event)}"


def _ledger_row(record: Event) -> dict[str, str]:
    """An event as text: its kind, step, verdict and other fields."""
    step = next((record[key] for key in ("step", "from_step", "reached") if key in record), "")
    detail = ledger.describe(record)
    if record["event"] == "evaluated":
        metrics = record["metrics"]
        values = [f"{name} {format_number(metrics[name])}" for name in in_order(metrics)]
        detail = "; ".join([", ".join(values), *record["reasons"]])
    return {
        "event": str(record["event"]).replace("_", " "),
        "step": str(step),
        "verdict": str(record.get("verdict", "")).replace("_", " "),
        "detail": detail,
    }

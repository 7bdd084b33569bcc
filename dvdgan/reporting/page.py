"""The report page: one HTML file that needs no other file or network."""

from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dvdgan.guard.ledger import Event, describe
from dvdgan.reporting.assessment import assess
from dvdgan.reporting.charts import (
    TelemetryRecord,
    bar_chart,
    metric_curves,
    training_curves,
    truncation_chart,
)
from dvdgan.reporting.media import EmbeddedClips
from dvdgan.reporting.scores import (
    GENERATED,
    cards,
    format_number,
    metric_names,
)

# Rows shown of the refused table and of the ledger; the files hold all of them.
MOST_ROWS = 200


@dataclass(frozen=True)
class ClassSamples:
    """Generated and real clips of one class."""

    name: str
    generated: EmbeddedClips
    real: EmbeddedClips | None


@dataclass(frozen=True)
class TrainingPreview:
    """A sample sheet made during training."""

    title: str
    picture: str
    """PNG data URI."""


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
    """Nearest training clips and interpolations: title -> PNG data URI."""
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


def render(content: Content) -> str:
    """The page as HTML. Equal content gives equal bytes; all text is escaped."""
    environment = Environment(
        loader=PackageLoader("dvdgan.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["format_number"] = format_number
    style = files("dvdgan.reporting").joinpath("page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        content=content,
        style=Markup(style),
        generated=GENERATED,
        assessment=assess(content.measured),
        cards=cards(content.measured),
        metrics=metric_names(content.measured),
        truncation=_truncation(content.measured.get("truncation", [])),
        metric_curves=metric_curves(content.ledger),
        training_curves=training_curves(content.telemetry),
        drift=_drift_chart(content.drift),
        ledger=[_ledger_row(record) for record in content.ledger[:MOST_ROWS]],
        reasons=Counter(row["reason"] for row in content.refused).most_common(),
        most_rows=MOST_ROWS,
    )


def _drift_chart(drift: dict[str, Any]) -> Markup:
    columns = sorted(drift["columns"].items(), key=lambda item: item[1], reverse=True)
    return bar_chart("drift", dict(columns), drift["drifted"], threshold=drift["threshold"])


def _truncation(points: list[dict[str, Any]]) -> Markup | None:
    if not points:
        return None
    return truncation_chart(
        [
            {"level": each["level"], "FID": each["FID"]["value"], "IS": each["IS"]["value"]}
            for each in points
        ]
    )


def _ledger_row(record: Event) -> dict[str, str]:
    """An event as text: its kind, step, verdict and other fields."""
    if record["event"] == "baseline":
        return {"event": "baseline", "step": "0", "verdict": "", "detail": describe(record)}
    metrics = ", ".join(
        f"{name} {format_number(value)}" for name, value in record.get("metrics", {}).items()
    )
    # Health metrics have charts, and the reasons contain what matters of the training metrics.
    known = {"event", "step", "metrics", "names", "intervals", "verdict", "reasons", "health"}
    known |= {"training", "began"}
    rest = [f"{key}: {value}" for key, value in sorted(record.items()) if key not in known]
    return {
        "event": str(record["event"]).replace("_", " "),
        "step": str(record.get("step", "")),
        "verdict": str(record.get("verdict", "")).replace("_", " "),
        "detail": "; ".join(filter(None, [metrics, *record.get("reasons", []), *rest])),
    }

"""The page a person looks at: one HTML file that loads nothing from elsewhere."""

from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dvdgan.guard.ledger import describe
from dvdgan.reporting.curves import metric_curves, training_curves
from dvdgan.reporting.media import Footage
from dvdgan.reporting.records import Record
from dvdgan.reporting.scores import cards, headline, metric_names, shown
from dvdgan.reporting.truncation_plot import truncation_chart

# Rows of the refused table and of the ledger; the files themselves hold all.
MOST_ROWS = 200


@dataclass(frozen=True)
class ClassSamples:
    """Generated and real clips of one class."""

    name: str
    generated: Footage
    real: Footage | None


@dataclass(frozen=True)
class Preview:
    """A sample sheet made during training."""

    title: str
    picture: str
    """PNG data URI."""


@dataclass(frozen=True)
class Content:
    """All that the page shows."""

    samples: list[ClassSamples]
    conditioning_frames: int
    """Frames of every clip that were given to the model; 0 in synthesis."""
    previews: list[Preview]
    measured: dict[str, Any]
    """metrics.json: generated, controls, truncation, details, memorisation, warnings."""
    sheets: dict[str, str]
    """Nearest training clips and interpolations: title -> PNG data URI."""
    telemetry: list[Record]
    ledger: list[Record]
    drift: dict[str, Any]
    """The drift report's summary.json: columns, drifted, share, threshold."""
    data_set: dict[str, Any]
    """The index's summary.json: videos, classes, splits, and what else it counts."""
    refused: list[dict[str, str]]
    """Rows of refused.csv: path, reason, detail."""
    params: str
    """params.yaml as it stands."""
    environment: dict[str, str]


def render(content: Content) -> str:
    """The whole page as HTML. Equal content gives equal bytes; every text in it is escaped."""
    environment = Environment(
        loader=PackageLoader("dvdgan.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    style = files("dvdgan.reporting").joinpath("page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        content=content,
        style=Markup(style),
        headline=headline(content.measured),
        cards=cards(content.measured),
        metrics=metric_names(content.measured),
        truncation=_truncation(content.measured.get("truncation", [])),
        metric_curves=metric_curves(content.ledger),
        training_curves=training_curves(content.telemetry),
        ledger=[_ledger_row(record) for record in content.ledger[:MOST_ROWS]],
        reasons=Counter(row["reason"] for row in content.refused).most_common(),
        most_rows=MOST_ROWS,
    )


def _truncation(points: list[dict[str, Any]]) -> Markup | None:
    if not points:
        return None
    return truncation_chart(
        [
            {"level": each["level"], "FID": each["FID"]["value"], "IS": each["IS"]["value"]}
            for each in points
        ]
    )


def _ledger_row(record: Record) -> dict[str, str]:
    """An event in words: what happened, at which step, its verdict and the rest of its fields."""
    if record["event"] == "baseline":
        return {"event": "baseline", "step": "0", "verdict": "", "detail": describe(record)}
    metrics = ", ".join(
        f"{name} {shown(value)}" for name, value in record.get("metrics", {}).items()
    )
    # Signs have charts; of training's own figures the reasons tell what matters.
    known = {"event", "step", "metrics", "names", "intervals", "verdict", "reasons", "health"}
    known |= {"training", "began"}
    rest = [f"{key}: {value}" for key, value in sorted(record.items()) if key not in known]
    return {
        "event": str(record["event"]).replace("_", " "),
        "step": str(record.get("step", "")),
        "verdict": str(record.get("verdict", "")).replace("_", " "),
        "detail": "; ".join(filter(None, [metrics, *record.get("reasons", []), *rest])),
    }

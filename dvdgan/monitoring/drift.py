"""Drift of generated clips from real clips per feature column, as an Evidently report."""

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvdgan.errors import UserError
from dvdgan.storage.local import atomic_file, write_json

FloatArray = NDArray[np.float64]
Columns = dict[str, FloatArray]

# Evidently stamps a report with the time; a cached artefact must not know it.
TIMESTAMP = datetime(2000, 1, 1)
_IDENTIFIER = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}(?![0-9a-f])"
)


@dataclass(frozen=True)
class PrincipalAxes:
    """A projection onto the directions in which real features vary most."""

    mean: FloatArray
    """(D,)"""
    axes: FloatArray
    """(components, D), orthonormal, the first one of the largest variance."""

    @classmethod
    def of(cls, features: FloatArray, components: int) -> "PrincipalAxes":
        """Fit to features (N, D). Each axis points so that its largest weight is positive.

        Raises UserError when there are fewer clips or dimensions than ``components``.
        """
        if components > min(features.shape):
            raise UserError(
                f"monitor.components is {components}, but there are {features.shape[0]} real clips "
                f"with {features.shape[1]} feature dimensions",
                todo=f"set monitor.components <= {min(features.shape)}",
            )
        mean = features.mean(0)
        axes = np.linalg.svd(features - mean, full_matrices=False)[2][:components]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(1, keepdims=True), axis=1)
        return cls(mean, axes * np.sign(largest))

    def columns(self, features: FloatArray) -> Columns:
        """Coordinates of features (N, D) along the axes: pc_1, pc_2, ..., each (N,)."""
        coordinates = (features - self.mean) @ self.axes.T
        return {f"pc_{place}": column for place, column in enumerate(coordinates.T, start=1)}


# The gate, by the share of drifted columns: no column, at most this share, more.
PASS, WARN, FAIL = "pass", "warn", "fail"
MOST_SHARE_WARN = 0.5

TITLE = "Drift of generated against real clips"
EXPLAINED = """\
Result: {gate}. {drifted} of {columns} columns have drifted. (pass: none; warn: at most half; fail:
more than half.) Current is the generated clips, reference the real ones. The columns are properties
of a clip: motion, brightness, contrast, and its coordinates along the directions in which the
features of real clips vary most (pc_1, pc_2, ...). The drift score of a column is the Wasserstein
distance between its current and reference values, in standard deviations of the reference. A column
has drifted if its score is {threshold:g} or more (monitor.drift_threshold). The threshold 0.5 that
Evidently names below is the share of drifted columns from which it calls the whole data set
drifted."""


@dataclass(frozen=True)
class Drift:
    """An Evidently report and its summary."""

    distances: dict[str, float]
    """Normed Wasserstein distance of each column: in standard deviations of the real one."""
    threshold: float
    report: dict[str, Any]
    evidently_page: str

    @property
    def share(self) -> float:
        """Of drifted columns."""
        return len(self.drifted) / len(self.distances)

    @property
    def gate(self) -> str:
        """PASS, WARN or FAIL."""
        if not self.drifted:
            return PASS
        return WARN if self.share <= MOST_SHARE_WARN else FAIL

    @property
    def page(self) -> str:
        """Evidently's interactive report with a title and an explanation of the threshold.

        HTML that loads nothing from elsewhere.
        """
        explained = EXPLAINED.format(
            threshold=self.threshold,
            drifted=len(self.drifted),
            columns=len(self.distances),
            gate=self.gate,
        )
        style = "font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:1rem auto;padding:0 1rem"
        words = f'<header style="{style}"><h1>{TITLE}</h1><p>{explained}</p></header>'
        titled = self.evidently_page.replace("<head>", f"<head><title>{TITLE}</title>", 1)
        return titled.replace("<body>", f"<body>{words}", 1)

    @property
    def drifted(self) -> list[str]:
        """Columns at or above the threshold."""
        return [name for name, value in self.distances.items() if value >= self.threshold]

    def save(self, folder: Path, key: str, name: str) -> None:
        """Write report.json, report.html and summary.json.

        ``name`` describes in full how the share of drifted columns was measured; only shares that
        compare have one ``key``.
        """
        write_json(folder / "report.json", self.report)
        with atomic_file(folder / "report.html") as aside:
            aside.write_text(self.page, encoding="utf-8")
        summary = {
            "key": key,
            "name": name,
            "columns": self.distances,
            "drifted": self.drifted,
            "share": self.share,
            "gate": self.gate,
            "threshold": self.threshold,
        }
        write_json(folder / "summary.json", summary)


def measure_drift(generated: Columns, real: Columns, threshold: float) -> Drift:
    """Compare each column of ``generated`` with the one of the same name in ``real``.

    Columns are (N,) values, one per clip; the two sides may hold different numbers of clips.
    Equal inputs give an equal Drift, page included.
    """
    os.environ["DO_NOT_TRACK"] = "1"  # read by evidently when it is imported
    # Seconds of import time that only this function has to pay.
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    names = list(real)
    definition = DataDefinition(numerical_columns=names)
    current, reference = (
        Dataset.from_pandas(pd.DataFrame(side, columns=names), data_definition=definition)
        for side in (generated, real)
    )
    preset = DataDriftPreset(columns=names, num_method="wasserstein", num_threshold=threshold)
    snapshot = Report([preset]).run(current, reference, timestamp=TIMESTAMP)
    content = snapshot.dict()
    distances = {
        metric["config"]["column"]: float(metric["value"])
        for metric in content["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    page = _numbered_identifiers(snapshot.get_html_str(as_iframe=False))
    return Drift(distances, threshold, _plain(content), page)


def _numbered_identifiers(page: str) -> str:
    """Replace every UUID by its order of appearance: Evidently draws new ones for each page."""
    places: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        digits = match[0].replace("-", "")
        number = f"{places.setdefault(digits, len(places)):032x}"
        dash = match[1]
        return dash.join((number[:8], number[8:12], number[12:16], number[16:20], number[20:]))

    return _IDENTIFIER.sub(numbered, page)


def _plain(value: Any) -> Any:
    """The same value in JSON's own types: Evidently's dict holds numpy numbers."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value

"""Writes the table of docs/scaling.md: `python -m dvdgan.scaling.reference docs/scaling.md`."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dvdgan.progress import track
from dvdgan.scaling.command import row_of
from dvdgan.scaling.hardware import Cluster
from dvdgan.scaling.tables import PredictionRow, hours
from dvdgan.scaling.workload import Workload, read_workload

GPUS = (8, 64, 512)
HEADING = "## Every preset\n"
HEAD = (
    "| preset | 8 GPUs | 64 | 512 | breaks first at 8 | 64 | 512 | fp32: 8 | 64 | 512 |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def table_row(preset: Path) -> str:
    """The row of a preset: in bf16 hours, clips/s and what breaks first; in fp32 hours."""
    workload = read_workload(preset)
    fast = _predicted(replace(workload, precision="bf16"))
    slow = _predicted(replace(workload, precision="fp32"))
    cells = [
        preset.stem,
        *(_speed(row) for row in fast),
        *(_first(row) for row in fast),
        *(_hours(row) for row in slow),
    ]
    return f"| {' | '.join(cells)} |"


def written(page: str, presets: Sequence[Path]) -> str:
    """The page with the rows of ``presets`` as its last section's table."""
    text, heading, section = page.partition(HEADING)
    introduction = section.partition("\n|")[0]
    rows = [table_row(preset) for preset in track(presets, "presets", len(presets), "presets")]
    return "\n".join([text + heading + introduction, *HEAD, *rows]) + "\n"


def rows_of(page: str) -> dict[str, str]:
    """Preset -> its row of the page."""
    return dict(_rows(page.partition(HEADING)[2]))


def _rows(section: str) -> Iterator[tuple[str, str]]:
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith("| preset"):
            yield line.split(" ", 2)[1], line


def _predicted(workload: Workload) -> list[PredictionRow]:
    return [row_of(workload, Cluster(), gpus) for gpus in GPUS]


def _speed(row: PredictionRow) -> str:
    prediction, _ = row
    return (
        "-"
        if prediction.refused is not None
        else f"{hours(prediction.hours)}, {prediction.clips_per_second:,.0f}/s"
    )


def _hours(row: PredictionRow) -> str:
    prediction, _ = row
    return "-" if prediction.refused is not None else hours(prediction.hours)


def _first(row: PredictionRow) -> str:
    prediction, limit = row
    if prediction.refused is not None:
        return "batch" if "divided" in prediction.refused else "memory"
    share = prediction.shares.get(limit.part)
    return limit.part if share is None or limit.part == "clips" else f"{limit.part} {share:.0%}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    presets = sorted(Path("presets").glob("*.yaml"))
    page.write_text(written(page.read_text(encoding="utf-8"), presets), encoding="utf-8")

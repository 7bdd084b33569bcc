"""Artifacts of flow runs in the browser: progress, metrics, pictures and reports, as best effort.

Each artifact has a key, so that its page shows the newest version and the earlier ones.
"""

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.utilities.context import get_task_and_flow_run_ids

from dvdgan.errors import redacted
from dvdgan.machine import Machine
from flows.best_effort import best_effort, impatient_client

# A larger picture is named, not shown: it would travel with every look at the run's page.
LARGEST_SHEET_BYTES = 2_000_000

RESULTS = Path("artifacts/evaluate/results.json")
REPORT = Path("artifacts/report/index.html")
# The columns of a table of results that stand first; the other controls are to the right of them.
FIRST_SETS = ("generated", "real test clips")

TableRow = Mapping[str, float | str | None]

# The progress bars this process has drawn: by key and the run they belong to.
_bars: dict[tuple[str, UUID | None], UUID] = {}


def show_progress(run_name: str, step: int, steps: int) -> None:
    """Create or update the progress bar of a training run."""
    key = _key(f"progress-{run_name}")
    percent = 100 * min(step / steps, 1.0)
    description = f"{run_name}: step {step} of {steps}"
    _, flow_run = get_task_and_flow_run_ids()
    with best_effort("progress"), impatient_client() as client:
        if (bar := _bars.get((key, flow_run))) is not None:
            client.update_artifact(bar, ArtifactUpdate(data=percent, description=description))
        else:
            _bars[key, flow_run] = _create(client, "progress", key, description, percent)


def show_metrics(title: str, rows: Mapping[str, TableRow], note: str = "") -> None:
    """Show a table of numbers: a line for each of ``rows`` (label to values by name).

    None, not measured or not finite, is shown as "-". ``note``: Markdown below the table.
    """
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [["", *names], ["---"] * (len(names) + 1)]
    lines += [
        [label, *(_formatted(row.get(name)) for name in names)] for label, row in rows.items()
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    with best_effort("metrics"), impatient_client() as client:
        _create(client, "markdown", _key(title), title, f"{table}\n\n{note}" if note else table)


def show_sheet(title: str, picture: Path) -> None:
    """Show a PNG or JPEG, such as a sample sheet, on a page of its own."""
    with best_effort("sheets"), impatient_client() as client:
        content = picture.read_bytes()
        if len(content) > LARGEST_SHEET_BYTES:
            shown = f"{picture.resolve()} ({len(content) / 1e6:.1f} MB, too large to be shown here)"
        else:
            kind = "png" if picture.suffix == ".png" else "jpeg"
            encoded = base64.b64encode(content).decode()
            shown = f"![{title}](data:image/{kind};base64,{encoded})"
        _create(client, "markdown", _key(title), title, shown)


def show_link(title: str, page: Path, folder: Path) -> None:
    """Link ``page``, a path below the work tree ``folder``.

    DVDGAN_URL is the address at which DVDGAN_FOLDER, or else the working folder, is served. If it
    is not set or the page is elsewhere, the path is shown, because browsers do not open links to
    files from a page of a server.
    """
    url = Machine.load().prefect.files_url
    root = Path(os.environ.get("DVDGAN_FOLDER", ".")).resolve()
    path = (folder / page).parent.resolve() / page.name
    shown = f"`{path}`"
    if url and path.is_relative_to(root):
        address = f"{url.rstrip('/')}/{quote(path.relative_to(root).as_posix())}"
        shown = f"[{page}]({redacted(address)})"
    with best_effort("reports"), impatient_client() as client:
        _create(client, "markdown", _key(title), title, shown)


def show_results(folder: Path) -> None:
    """Show the metrics measured in the work tree ``folder``, and link its report.

    A row for each metric, a column for each set of clips.
    """
    with best_effort("results"):
        measured = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        sets = {"generated": measured["generated"], **measured["controls"]}
        rows: dict[str, dict[str, str]] = {"clips": {}}
        for name in sorted(sets, key=lambda name: name not in FIRST_SETS):
            rows["clips"][name] = str(max(m["protocol"]["clips"] for m in sets[name].values()))
            for key, metric in sets[name].items():
                rows.setdefault(key.partition("[")[0], {})[name] = _with_interval(metric)
        show_metrics("metrics", rows)
        show_link("report", REPORT, folder)


def _create(client: SyncPrefectClient, kind: str, key: str, description: str, data: Any) -> UUID:
    task_run, flow_run = get_task_and_flow_run_ids()
    artifact = ArtifactCreate(
        type=kind,
        key=key,
        description=description,
        data=data,
        task_run_id=task_run,
        flow_run_id=flow_run,
    )
    return client.create_artifact(artifact).id


def _key(title: str) -> str:
    """Lower case letters, digits and dashes, which is all Prefect takes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _formatted(value: float | str | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.4g}"


def _with_interval(metric: dict[str, Any]) -> str:
    """The value, with its 95% interval where there is one."""
    low, high = metric.get("interval") or (None, None)
    value = _formatted(metric["value"])
    return value if low is None else f"{value} ({low:.4g} to {high:.4g})"

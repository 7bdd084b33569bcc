"""Find what an ablation compares: metrics.json beside its params.yaml, or the folder of a run."""

import re
from pathlib import Path
from typing import Any

from dvdgan.config import load_config
from dvdgan.config.schema import RunSettings
from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder
from dvdgan.reporting.ablation import Run
from dvdgan.reporting.scores import GENERATED, by_metric
from dvdgan.storage.local import read_json

_SEED = re.compile(r", seed \d+")
METRICS, PARAMS = "metrics.json", "params.yaml"


def read_run(path: Path) -> Run:
    """The run at ``path``.

    A metrics.json of `dvdgan evaluate` with its params.yaml beside it, or their folder; a working
    copy of the project, with params.yaml and artifacts/evaluate/metrics.json; or .runs/train/RUN,
    whose ledger tells the metrics of every checkpoint. Raises UserError for anything else.
    """
    if path.is_file():
        return _bundle(path, path.with_name(PARAMS))
    folder = RunFolder(path)
    if folder.settings.is_file():
        return _checkpoints(folder)
    for metrics in (path / METRICS, path / "artifacts" / "evaluate" / METRICS):
        if metrics.is_file():
            return _bundle(metrics, path / PARAMS)
    raise UserError(
        f"{path} is no run" if path.exists() else f"{path} is not there",
        where="it holds neither settings.json (a run folder) nor metrics.json",
        todo="name .runs/train/RUN, a metrics.json of `dvdgan evaluate`, or the folder of one",
    )


def _bundle(metrics: Path, params: Path) -> Run:
    if not params.is_file():
        raise UserError(
            f"{metrics} has no params.yaml: it cannot be told what was measured",
            where=str(params),
            todo="put the params.yaml of that run there, or name the folder that holds it",
        )
    try:
        generated = by_metric(read_json(metrics)[GENERATED])
        return Run(
            source=str(metrics),
            settings=_flat(load_config(params).model_dump()),
            values={None: {name: found["value"] for name, found in generated.items()}},
            protocols={name: found["protocol"] for name, found in generated.items()},
            names={name: found["name"] for name, found in generated.items()},
        )
    except (AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        raise UserError(
            f"{metrics} is not what `dvdgan evaluate` writes",
            where=f"{type(error).__name__}: {error}",
        ) from error


def _checkpoints(folder: RunFolder) -> Run:
    try:
        settings = RunSettings.model_validate_json(folder.settings.read_text("utf-8"))
        evaluated = ledger.evaluations(ledger.read(folder.ledger))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder.root} is no run of this version of dvdgan", where=str(error)
        ) from error
    if not evaluated:
        raise UserError("no checkpoint of this run was evaluated", where=str(folder.root))
    names = _names(folder, evaluated)
    clips = settings.train.guard.samples
    by = f"{settings.protocol}, {clips} clips of each checkpoint"
    # What an older version measured has no full names.
    bare = {name: f"{name}[{by}]" for event in evaluated for name in event["metrics"]}
    return Run(
        source=str(folder.root),
        settings=_flat(settings.model_dump(exclude={"fingerprint"})),
        values={event["step"]: event["metrics"] for event in evaluated},
        protocols={metric: {"measured as": _SEED.sub("", name)} for metric, name in names.items()},
        names=bare | names,
    )


def _names(folder: RunFolder, evaluated: list[ledger.Event]) -> dict[str, str]:
    """The full name of each metric; UserError where the run has a metric of two names."""
    names: dict[str, str] = {}
    for event in evaluated:
        for metric, name in event.get("names", {}).items():
            if names.setdefault(metric, name) != name:
                raise UserError(
                    f"{metric} of this run was measured in two ways",
                    where=f"{folder.ledger}: {names[metric]} and {name}",
                    todo="compare the bundles: name metrics.json files",
                )
    return names


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat

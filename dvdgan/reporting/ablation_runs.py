"""Find what an ablation compares: metrics.json beside its params.yaml, or the folder of a run."""

from pathlib import Path
from typing import Any

from dvdgan.config import load_config
from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder
from dvdgan.reporting.ablation import Run
from dvdgan.reporting.scores import GENERATED
from dvdgan.storage.local import read_json

METRICS, PARAMS = "metrics.json", "params.yaml"
# Of a run: no parameter of it, and what names it.
OF_ITS_OWN = ("fingerprint",)


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
    generated = _read(metrics).get(GENERATED)
    if not generated:
        raise UserError(f"{metrics} was not written by `dvdgan evaluate`", todo="name one that was")
    return Run(
        source=str(metrics),
        settings=_flat(load_config(params).model_dump()),
        values={None: {name: found["value"] for name, found in generated.items()}},
        protocols={name: found["protocol"] for name, found in generated.items()},
    )


def _checkpoints(folder: RunFolder) -> Run:
    settings = _flat(_read(folder.settings))
    evaluated = ledger.evaluations(ledger.read(folder.ledger))
    if not evaluated:
        raise UserError("no checkpoint of this run was evaluated", where=str(folder.root))
    return Run(
        source=str(folder.root),
        settings={key: value for key, value in settings.items() if key not in OF_ITS_OWN},
        values={event["step"]: event["metrics"] for event in evaluated},
        protocols={},
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read", where=str(error)) from error
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no object of JSON")
    return found


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat

"""Which run `dvdgan train` works on, an existing or a new one, with a line that explains it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from dvdgan.errors import UserError
from dvdgan.guard.earlier_runs import EarlierRun
from dvdgan.guard.origin import RunOrigin
from dvdgan.storage.local import write_bytes

MOST_LINES = 40  # of a diff that are printed


@dataclass(frozen=True)
class RunRequest:
    """What the command line requests besides the params."""

    continue_run: str | None = None
    """Name of a run that other code began, to be continued by the present code."""
    new_run: bool = False
    """Leave such a run where it is and begin another."""


NO_REQUEST = RunRequest()


@dataclass(frozen=True)
class RunChoice:
    """The run folder's name, what it is made from, and what the user should know."""

    name: str
    origin: RunOrigin
    lines: Sequence[str] = ()


def choose(
    now: RunOrigin, earlier: Sequence[EarlierRun], request: RunRequest, runs: Path, fingerprint: str
) -> RunChoice:
    """The run of ``now`` among ``earlier``, or a new one, named ``fingerprint``, below ``runs``.

    A run of these params and data that other code began is continued on request only. Raises
    UserError if there is one that is not finished, with a diff, and where the request fits none.
    """
    if request.continue_run is not None and request.new_run:
        raise UserError("--continue-run and --new-run cannot be combined", todo="give one")
    if request.continue_run is not None:
        return _continued(now, earlier, request.continue_run)
    same = [run for run in earlier if run.origin.equals(now)]
    if same:
        # One that was continued on request was chosen by hand.
        run = max(same, key=lambda run: (bool(run.origin.continued), run.step))
        if request.new_run:
            raise UserError(
                "a run of these params, data and code already exists",
                where=str(run),
                todo="change train.seed to start another run, or move that folder away",
            )
        return RunChoice(run.name, run.origin)
    waiting = [run for run in earlier if run.step and not run.finished and _same_but_code(run, now)]
    if waiting and not request.new_run:
        _refuse(max(waiting, key=lambda run: run.step), now, runs)
    name = _unused(fingerprint, {run.name for run in earlier})
    return RunChoice(name, now, _announced(f"{runs / name}", earlier, now))


def _same_but_code(run: EarlierRun, now: RunOrigin) -> bool:
    return not run.origin.changed_params(now) and not run.origin.changed_data(now)


def _continued(now: RunOrigin, earlier: Sequence[EarlierRun], name: str) -> RunChoice:
    found = [run for run in earlier if run.name == name]
    if not found:
        named = "\n".join(f"  - {run}" for run in earlier)
        raise UserError(
            f"run {name} does not exist" + (f"; existing runs:\n{named}" if named else ""),
            todo="give --continue-run the name of a folder in .runs/train",
        )
    run = max(found, key=lambda run: run.step)
    if not _same_but_code(run, now):
        differ = [*run.origin.changed_params(now), *run.origin.changed_data(now)]
        raise UserError(
            "only a run of the same params and data can be continued; they differ in\n"
            + "\n".join(f"  - {each}" for each in differ),
            where=str(run),
            todo="change them back, or run `dvdgan train` without --continue-run for a new run",
        )
    if run.origin.equals(now):
        return RunChoice(name, run.origin)
    code = run.origin.changed_code(now)
    entry = {
        "step": run.step,
        "files": [str(change) for change in code] or run.origin.differences(now),
        "diff": [line for change in code for line in change.diff],
    }
    origin = replace(now, continued=(*run.origin.continued, entry))
    return RunChoice(name, origin, [f"train: {run} is continued with the current code"])


def _refuse(run: EarlierRun, now: RunOrigin, runs: Path) -> NoReturn:
    """Name an unfinished run that other code began, with what changed and the ways on."""
    code = run.origin.changed_code(now)
    lines = [f"  - {each}" for each in code]
    lines += [f"  - the key {key} of params.yaml" for key in run.origin.changed_keys(now)]
    if run.origin.code is None:
        lines.append("  - unknown: an earlier version of dvdgan kept no record of data and code")
    diff = [line for change in code for line in change.diff]
    if diff:
        path = runs / f"{run.name}.diff"
        write_bytes(path, ("\n".join(diff) + "\n").encode())
        lines += [*diff[:MOST_LINES], f"(all {len(diff)} lines of the difference: {path})"]
    raise UserError(
        "an unfinished run of these params and data was started by other code; what changed:\n"
        + "\n".join(lines),
        where=str(run),
        todo=f"continue it with the current code: dvdgan train --continue-run {run.name}\n"
        "    or start a new run:                dvdgan train --new-run\n"
        "    `dvc repro` then continues the one you chose",
    )


def _announced(name: str, earlier: Sequence[EarlierRun], now: RunOrigin) -> list[str]:
    if not earlier:
        return []
    near = min(earlier, key=lambda run: (len(run.origin.differences(now)), -run.step))
    return [f"train: new run {name}; unlike {near}: {'; '.join(near.origin.differences(now))}"]


def _unused(name: str, taken: set[str]) -> str:
    """``name``, with a number where a run has it whose code has changed since."""
    number = 2
    found = name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found

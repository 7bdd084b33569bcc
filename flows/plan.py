"""`dvdgan plan`: what `dvc repro` will run, what it takes from its run cache, and why.

`dvc repro --dry` names every stage after a changed one, although many of them may not run.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from flows.graph import ordered_stages, repository

UP_TO_DATE = "up to date"
CACHED = "from the cache"
RUNS = "runs"
MAY_RUN = "may run"

# Longer values of params are cut.
LONGEST_VALUE = 40


@dataclass(frozen=True)
class PlannedStage:
    """What `dvc repro` does with one stage."""

    name: str
    outcome: str
    """UP_TO_DATE: nothing. CACHED: outputs of an earlier run of the same inputs are checked out.
    RUNS. MAY_RUN: it runs if a stage before it makes other outputs than last time."""
    reasons: list[str]
    """What changed since the run in dvc.lock, one thing each."""


def planned_stages(folder: str) -> list[PlannedStage]:
    """Every stage of ``folder``/dvc.yaml, in order; nothing is run or written.

    As for `dvc status`, dependencies that changed on disk are hashed.
    """
    with repository(folder) as repo:
        plan = _Plan(repo)
        return [plan.add(stage) for stage in ordered_stages(repo)]


class _Plan:
    """Follows the outputs of the stages planned so far."""

    def __init__(self, repo: Any) -> None:
        self._repo = repo
        self._outputs: dict[str, Any] = {}
        """By path: DVC's output with the hash that it will have; None if a stage rewrites it."""
        self._makers: dict[str, str] = {}
        """By path of an output: its stage."""

    def add(self, stage: Any) -> PlannedStage:
        reasons, unknown = self._changes(stage), self._unknown(stage)
        if not stage.cmd_changed and not reasons and not unknown and not _missing(stage):
            return self._settle(stage, UP_TO_DATE, [], stage.outs)
        never = not any(out.hash_info for out in stage.outs)
        reasons = ["it has not run yet"] if never else reasons
        if not never and stage.cmd_changed:
            reasons.append("its command changed")
        if unknown:
            waiting = f"waits for {', '.join(unknown)}"
            outcome = RUNS if never or reasons else MAY_RUN
            return self._settle(stage, outcome, [*reasons, waiting], None)
        if not reasons:
            reasons = _missing(stage)
        cached = self._cached(stage)
        outcome = RUNS if cached is None else CACHED
        return self._settle(stage, outcome, reasons, cached)

    def _settle(self, stage: Any, outcome: str, reasons: list[str], outs: Any) -> PlannedStage:
        for out in stage.outs:
            self._outputs[out.fs_path] = None
            self._makers[out.fs_path] = stage.addressing
        for out in outs or ():
            self._outputs[out.fs_path] = out
        return PlannedStage(stage.addressing, outcome, reasons)

    def _changes(self, stage: Any) -> list[str]:
        """What differs from dvc.lock; what a stage before it rewrites is left out."""
        found: list[str] = []
        for dep in stage.deps:
            if _is_params(dep):
                found += _changed_params(stage, dep)
            elif (source := self._source(dep)) is None:
                found += [f"{dep}: {what}" for what in dep.status().values()]
            elif (out := self._outputs[source]) is not None:
                now = self._hash_below(out, dep)
                if now is not None and now != dep.hash_info:
                    found.append(f"{dep}: {'new' if not dep.hash_info else 'modified'}")
        return found

    def _unknown(self, stage: Any) -> list[str]:
        """The stages before it that rewrite what it reads."""
        sources = [self._source(dep) for dep in stage.deps if not _is_params(dep)]
        rewritten = [each for each in sources if each is not None and self._outputs[each] is None]
        return list(dict.fromkeys(self._makers[each] for each in rewritten))

    def _source(self, dep: Any) -> str | None:
        """The path of the output that ``dep`` is, or is part of; None: no stage makes it."""
        for path in self._outputs:
            if dep.fs_path == path or dep.fs_path.startswith(path + os.sep):
                return path
        return None

    def _hash_below(self, out: Any, dep: Any) -> Any:
        """The hash that ``dep`` will have; None if the cache does not hold ``out``."""
        if dep.fs_path == out.fs_path:
            return out.hash_info
        found = out.get_obj(filter_info=dep.fs_path)
        return None if found is None else found.hash_info

    def _cached(self, stage: Any) -> list[Any] | None:
        """The outputs of an earlier run of the same command, params and dependencies."""
        if not all(dep.protocol == "local" for dep in stage.deps):
            return None  # DVC has no run cache for these
        for dep in stage.deps:
            source = None if _is_params(dep) else self._source(dep)
            if source is None:
                dep.save()
            elif (now := self._hash_below(self._outputs[source], dep)) is not None:
                dep.hash_info, dep.meta = now, type(dep.meta)()  # meta repeats the hash of dvc.lock
                # DVC would hash the file, which may be yet to be checked out.
                dep.get_hash = partial(getattr, dep, "hash_info")
        entry = self._repo.stage_cache._load(stage)
        if not entry:
            return None
        restored = self._repo.stage_cache._create_stage(entry, wdir=stage.wdir)
        return list(restored.outs) if restored.outs_cached() else None


def _is_params(dep: Any) -> bool:
    return hasattr(dep, "params")


def _missing(stage: Any) -> list[str]:
    """Outputs that are not on disk and in the cache as dvc.lock has them, with DVC's word."""
    return [f"{out}: {what}" for out in stage.outs for what in out.status().values()]


def _changed_params(stage: Any, dep: Any) -> Iterator[str]:
    before = dict(_flat(dep.hash_info.value or {}))
    now = dict(_flat(dep.read_params(flatten=False)))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) == now.get(key) and (key in before) == (key in now):
            continue
        if str(dep).endswith("numerics.json"):
            yield f"the code of {stage.addressing} changed"
        else:
            yield f"{key} {_short(before.get(key))} -> {_short(now.get(key))}"


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def main() -> None:
    """Print the plan of the current folder, a line for each stage and one for each reason."""
    planned = planned_stages(".")
    width = max(len(stage.name) for stage in planned)
    for stage in planned:
        first, *others = stage.reasons or [""]
        print(f"{stage.name:<{width}}  {stage.outcome:<14}  {first}".rstrip())
        for reason in others:
            print(f"{'':<{width}}  {'':<14}  {reason}")


if __name__ == "__main__":
    main()

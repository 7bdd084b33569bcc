"""What differs between two revisions: parameters, the stages they reach, and a stale dvc.lock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dvdgan.guard.origin import flat
from dvdgan.review.pipeline import PARAMS, PipelineRevision, StageRecord

CODE = "dvdgan/numerics.json"


@dataclass(frozen=True)
class ParamChange:
    """A key with another value than before."""

    key: str
    before: Any
    now: Any
    """ABSENT on the side that does not have the key."""


@dataclass(frozen=True)
class StageChange:
    """A stage that runs again, and why."""

    stage: str
    reasons: list[str] = field(default_factory=list)
    """What of its own changed: keys, `code`, `command`, files it reads."""
    upstream: list[str] = field(default_factory=list)
    """Stages before it that run again; DVC skips it where their outputs stay equal."""


ABSENT = object()
"""In place of the value of a key that one side does not have."""


def changed_params(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[ParamChange]:
    """The keys whose values differ, in the order of ``now``; both are nested sections."""
    old, new = flat(before), flat(now)
    keys = [*new, *(key for key in old if key not in new)]
    return [
        ParamChange(key, old.get(key, ABSENT), new.get(key, ABSENT))
        for key in keys
        if key not in old or key not in new or old[key] != new[key]
    ]


def changed_stages(before: PipelineRevision, now: PipelineRevision) -> list[StageChange]:
    """The stages that a change makes run again, in the order they run in."""
    old = {stage.name: stage for stage in before.stages}
    found: dict[str, StageChange] = {}
    for stage in now.stages:
        known = old.get(stage.name)
        reasons = _reasons(known, stage, before, now) if known else ["new"]
        upstream = [name for name in stage.upstream if name in found]
        if reasons or upstream:
            found[stage.name] = StageChange(stage.name, reasons, upstream)
    return list(found.values())


def stale_stages(now: PipelineRevision) -> list[StageChange]:
    """The stages whose entry in dvc.lock does not match params.yaml, the code or each other."""
    if not now.is_locked:
        return []
    hashes = {path: value for stage in now.stages for path, value in stage.outputs.items()}
    found = []
    for stage in now.stages:
        reasons = ["not in dvc.lock"] if stage.locked_params is None else _unlike_lock(stage)
        reasons += [
            path
            for path, value in stage.inputs.items()
            if path in hashes and None not in (value, hashes[path]) and value != hashes[path]
        ]
        if reasons:
            found.append(StageChange(stage.name, reasons))
    return found


def outdated_stages(pipeline: PipelineRevision) -> set[str]:
    """The stages with results of other params or code in dvc.lock: stale ones and all after."""
    found = {each.stage for each in stale_stages(pipeline)}
    for stage in pipeline.stages:
        if found.intersection(stage.upstream):
            found.add(stage.name)
    return found


def changed_data(before: PipelineRevision, now: PipelineRevision) -> list[str]:
    """Inputs of the first stages, such as the videos, whose hash in dvc.lock differs."""
    old = {path: value for stage in before.stages for path, value in stage.inputs.items()}
    return [
        path
        for stage in now.stages
        for path, value in stage.inputs.items()
        if not stage.upstream and None not in (value, old.get(path)) and value != old[path]
    ]


def _reasons(
    old: StageRecord, stage: StageRecord, before: PipelineRevision, now: PipelineRevision
) -> list[str]:
    reasons = _changed_keys(old.params, stage.params)
    reasons += ["command"] if old.command != stage.command else []
    for path, value in stage.inputs.items():
        if path == PARAMS:
            reasons += [PARAMS] if before.params != now.params else []
        elif path not in old.inputs:
            reasons.append(path)
        elif _is_raw(path, now) and None not in (value, old.inputs[path]):
            reasons += [path] if value != old.inputs[path] else []
    return reasons


def _unlike_lock(stage: StageRecord) -> list[str]:
    return _changed_keys(stage.locked_params or {}, stage.params)


def _changed_keys(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """The changed keys of params.yaml, and `code` or the name of another file with changes."""
    found = []
    for file in [*new, *(name for name in old if name not in new)]:
        keys = [change.key for change in changed_params(old.get(file) or {}, new.get(file) or {})]
        if file == PARAMS:
            found += keys
        elif keys:
            found.append("code" if file == CODE else file)
    return found


def _is_raw(path: str, pipeline: PipelineRevision) -> bool:
    """Whether no stage writes ``path``, or a folder above it."""
    return path != PARAMS and not any(
        path == output or path.startswith(f"{output}/") for output in pipeline.produced
    )

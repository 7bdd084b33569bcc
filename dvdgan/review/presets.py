"""The presets a params file matches, and the paper's value of a parameter."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dvdgan.guard.origin import flat
from dvdgan.review.changes import ABSENT
from dvdgan.review.revisions import changed_files, text_at
from dvdgan.yaml_file import read_yaml

# The sections with the paper's values, and what in them is a matter of this pipeline.
PAPER_SECTIONS = ("clip.", "model.", "train.")
NOT_THE_PAPERS = (
    "train.accumulation",
    "train.checkpoint_every",
    "train.guard.",
    "train.max_damaged_shards",
    "train.precision",
    "train.preview_every",
    "train.seed",
)
# Values by which a variant of one of the paper's experiments differs from it.
NEAR = 6


@dataclass(frozen=True)
class KnownPreset:
    """One file of presets/."""

    name: str
    params: Mapping[str, Any]
    """By dotted key."""
    numbers: str | None
    """What the paper reports for it; None: not an experiment of the paper."""


@dataclass(frozen=True)
class PresetChange:
    """A preset before and now; None: there was or is none."""

    before: KnownPreset | None
    now: KnownPreset | None


@dataclass(frozen=True)
class Closeness:
    """The preset nearest to a params file."""

    preset: KnownPreset
    differing: list[str]
    """Keys in which they differ; none: they are equal."""


def read_presets(folder: Path) -> list[KnownPreset]:
    """Every preset below ``folder``, by name."""
    return [
        KnownPreset(path.stem, flat(read_yaml(path)), _numbers(path.read_text(encoding="utf-8")))
        for path in sorted(folder.glob("*.yaml"))
    ]


def changed_presets(
    folder: Path, base: str, below: str, known: Sequence[KnownPreset]
) -> list[PresetChange]:
    """The presets of ``folder``/``below`` that a commit has otherwise; ``known``: those of now."""
    present = {preset.name: preset for preset in known}
    found = []
    for before, now in changed_files(folder, base, below):
        if not (before or now or "").endswith(".yaml"):
            continue
        with TemporaryDirectory() as aside:
            if before is not None:
                copy = Path(aside) / Path(before).name
                copy.write_text(text_at(folder, base, before), encoding="utf-8")
            old = next(iter(read_presets(Path(aside))), None)
        found.append(PresetChange(old, None if now is None else present.get(Path(now).stem)))
    return found


def equal_to(params: Mapping[str, Any], presets: Sequence[KnownPreset]) -> list[KnownPreset]:
    """The presets with exactly these params (by dotted key)."""
    return [preset for preset in presets if preset.params == params]


def closest(params: Mapping[str, Any], presets: Sequence[KnownPreset]) -> Closeness | None:
    """The preset that differs in the fewest keys, the first of equals; None without presets."""
    found = [Closeness(preset, differing(params, preset.params)) for preset in presets]
    return min(found, key=lambda each: len(each.differing), default=None)


def differing(params: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """Keys whose values differ, or that only one of them has."""
    keys = sorted(params.keys() | others.keys())
    return [key for key in keys if key not in params or params.get(key) != others.get(key)]


def paper_value(key: str, params: Mapping[str, Any], presets: Sequence[KnownPreset]) -> Any:
    """The value of ``key`` in the paper's experiment that is near to ``params``.

    Where none is near, the value of most experiments; ABSENT where the paper has no such parameter.
    """
    if not _is_of_paper(key):
        return ABSENT
    near = near_experiment(params, presets)
    experiments = _experiments(presets) if near is None else [near]
    values = [preset.params[key] for preset in experiments if key in preset.params]
    return max(values, key=values.count, default=ABSENT)


def near_experiment(
    params: Mapping[str, Any], presets: Sequence[KnownPreset]
) -> KnownPreset | None:
    """The paper's experiment that has the fewest other values, and at most NEAR of them."""

    def distance(preset: KnownPreset) -> int:
        return sum(map(_is_of_paper, differing(params, preset.params)))

    found = min(_experiments(presets), key=distance, default=None)
    return found if found is not None and distance(found) <= NEAR else None


def _experiments(presets: Sequence[KnownPreset]) -> list[KnownPreset]:
    return [preset for preset in presets if preset.numbers is not None]


def _is_of_paper(key: str) -> bool:
    return key.startswith(PAPER_SECTIONS) and not key.startswith(NOT_THE_PAPERS)


def _numbers(text: str) -> str | None:
    """What follows "The paper's results:" in the comment at the top, up to the data."""
    comment = re.match(r"(?:#.*\n)*", text)
    words = " ".join(line.lstrip("# ") for line in (comment[0] if comment else "").splitlines())
    found = re.search(r"The paper's results: (.*?) Data: ", words)
    return found[1] if found else None

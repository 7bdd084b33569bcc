"""A review as Markdown: warnings first, tables, long things folded."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from dvdgan.reporting.metric_comparison import MetricComparison
from dvdgan.reporting.scores import format_number
from dvdgan.review.changes import ABSENT
from dvdgan.review.cost_section import cost_section
from dvdgan.review.gather import Review
from dvdgan.review.presets import differing
from dvdgan.review.revisions import short
from dvdgan.review.table import folded, table
from dvdgan.review.warnings import listed, warnings_of, why

# By it a job finds the comment that it wrote before.
MARKER = "<!-- dvdgan review -->"
MOST_CHARACTERS = 100
MOST_ROWS = 12


def markdown(review: Review, picture: str = "") -> str:
    """The whole comment, which ends with a line feed.

    ``picture``: the file name of ``review.samples``, where those are a picture.
    """
    parts = [
        MARKER,
        f"## dvdgan review against {short(review.base)}",
        _front(review),
        _params(review),
        _changed_presets(review),
        _stages(review),
        cost_section(review),
        *_results(review, picture),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(review: Review) -> str:
    warnings = warnings_of(review)
    lines = [f"- :warning: {line}" for line in warnings]
    if not warnings:
        changed = review.params or review.stages or review.changed_presets
        lines = ["Nothing stands out." if changed else "Nothing changed."]
    text = "\n".join(lines)
    if review.refused is None:
        return text
    return f"{text}\n\n{folded('What dvdgan check says', _block(review.refused))}"


def _params(review: Review) -> str:
    if not review.params:
        return ""
    head, rows = ("key", "before", "now", "paper", "meaning"), []
    for change in review.params:
        meaning = review.meanings.get(change.key, "no key of this version")
        values = (change.before, change.now, review.paper[change.key])
        rows.append((f"`{change.key}`", *map(_value, values), _shortened(meaning)))
    number = len(review.params)
    title = f"### {number} changed parameter{'s' if number > 1 else ''}"
    shown = table(head, rows)
    if number > MOST_ROWS:
        shown = folded("All of them", shown)
    return "\n\n".join([title, shown, _presets(review)])


def _presets(review: Review) -> str:
    lines = []
    if review.matched:
        lines.append(f"Equal to {_names(review.matched)}.")
    elif review.nearest is not None:
        keys = listed(review.nearest.differing, most=6)
        lines.append(f"Nearest preset: {_names([review.nearest.preset])}, but for {keys}.")
    if review.left:
        lines.append(f"Before: equal to {_names(review.left)}.")
    found = review.experiment
    if found is None and _has_paper_values(review):
        lines.append("The paper's value: that of most of its experiments, none of which is near.")
    elif found is not None and _has_paper_values(review):
        lines.append(
            f"The paper's values are those of {_names([found])}. Its numbers: {found.numbers}"
        )
    return " ".join(lines)


def _changed_presets(review: Review) -> str:
    lines = []
    for before, now in ((each.before, each.now) for each in review.changed_presets):
        if before is None or now is None:
            lines += [f"- {_names([each])} is new" for each in (now,) if each is not None]
            lines += [f"- {_names([each])} is gone" for each in (before,) if each is not None]
            continue
        keys = differing(now.params, before.params)
        what = [f"is now called {_names([now])}"] if before.name != now.name else []
        what += [f"has other values of {listed(keys, most=6)}"] if keys else []
        lines.append(f"- {_names([before])} {' and '.join(what) or 'has another comment'}")
    return "### Presets\n\n" + "\n".join(lines) if lines else ""


def _has_paper_values(review: Review) -> bool:
    return any(value is not ABSENT for value in review.paper.values())


def _stages(review: Review) -> str:
    again = {each.stage: each for each in review.stages}
    if not again:
        return "### Stages\n\nNo stage runs again."
    direct = [each.stage for each in review.stages if each.reasons]
    cached = [name for name in review.order if name not in again]
    verb = "run" if len(again) > 1 else "runs"
    lines = [f"**{len(again)} of {len(review.order)} {verb} again**, directly: {_all(direct)}."]
    if cached:
        lines.append(f"Unchanged, from the cache: {_all(cached)}.")
    if not review.is_locked.new:
        lines.append("There is no dvc.lock, so no result is recorded.")
    elif review.stale:
        lines.append("dvc.lock does not have their results yet.")
    else:
        lines.append("dvc.lock has their results: they have been run.")
    rows = [(f"`{name}`", why(each)) for name, each in again.items()]
    reasons = folded("Why", table(("stage", "runs again because of"), rows))
    return f"### Stages\n\n{' '.join(lines)}\n\n{reasons}"


def _all(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _results(review: Review, picture: str) -> list[str]:
    if not review.is_measured_again:
        unchanged = "### Metrics\n\nThey do not change: nothing that they depend on does."
        return [unchanged, _samples(review, picture)]
    missing = [f"No results of {side}: {each}." for side, each in review.without_metrics.items()]
    if missing and isinstance(review.samples, str):
        return [f"### Metrics and samples\n\n{' '.join(missing)}"]
    if missing:
        return [f"### Metrics\n\n{' '.join(missing)}", _samples(review, picture)]
    return [_metrics(review), _samples(review, picture)]


def _metrics(review: Review) -> str:
    if review.metrics is None:
        return ""
    rows = [
        (
            each.metric,
            _measured(each.before, each.interval_before),
            _measured(each.now, each.interval_now),
            _change(each),
            each.verdict,
        )
        for each in review.metrics
    ]
    head = ("metric", "before", "now", "change", "verdict")
    differences = sorted({line for each in review.metrics for line in each.differences})
    parts = ["### Metrics", table(head, rows)]
    if differences:
        parts.append(folded("What was measured differently", _block("\n".join(differences))))
    measured = sorted({each.measured for each in review.metrics if each.measured})
    parts.append(
        f"Measured by {'; '.join(measured)} clips. Noise: the 95% intervals over clips of both. "
        "Two seeds of training may differ by more."
    )
    return "\n\n".join(parts)


def _samples(review: Review, picture: str) -> str:
    if review.samples is None:
        return ""
    if isinstance(review.samples, str):
        return f"### Samples\n\nNo picture: {review.samples}."
    return (
        f"### Samples\n\n![Samples before and now]({quote(picture)})\n\nEach pair has the same "
        "latent and class. Nobody selected them."
    )


def _measured(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return ""
    if interval is None:
        return format_number(value)
    return f"{format_number(value)} ± {format_number((interval[1] - interval[0]) / 2)}"


def _change(each: MetricComparison) -> str:
    if each.before is None or each.now is None or each.differences:
        return ""
    return f"{each.now - each.before:+.3g}"


def _value(value: Any) -> str:
    """A parameter's value as YAML has it, shortened."""
    if value is ABSENT:
        return ""
    return f"`{_shortened(json.dumps(value).strip(chr(34)), 60)}`"


def _shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """The first sentence, cut at a word where it is long."""
    if len(text) <= most:
        return text
    return text[:most].rpartition(" ")[0].rstrip(",;:") + " ..."


def _names(presets: Sequence[Any]) -> str:
    return ", ".join(f"`presets/{each.name}.yaml`" for each in presets)


def _block(text: str) -> str:
    """Text as it is, which cannot end its own fence."""
    return f"````\n{text.replace('````', '')}\n````"

"""What a reviewer should know first: one sentence for each risk of a change."""

from collections.abc import Iterator

from dvdgan.reporting.costs import times
from dvdgan.reporting.metric_comparison import NOT_COMPARABLE, WORSE
from dvdgan.review.changes import ABSENT, StageChange
from dvdgan.review.gather import PROTOCOLS, Review

# A factor from which on more work is a warning.
MORE = 1.5
# Of index and shard: what the model learns from. Others of their keys are limits or storage.
OF_DATA = ("index.", "shard.", "clip.")
# Together with features.protocols they say how every metric is measured.
OF_MEASUREMENT = ("features.", "reference.", "evaluate.samples", "evaluate.seed", "clip.")


def warnings_of(review: Review) -> list[str]:
    """Sentences in Markdown, the most serious first; empty: nothing stands out."""
    found = [*_refused(review), *_cost(review), *_measurement(review), *_lock(review)]
    found += [*_data(review), *_paper(review), *_metrics(review)]
    return found + [f"`dvdgan check`: {line}" for line in review.new_warnings]


def _refused(review: Review) -> Iterator[str]:
    if review.refused is not None:
        yield "**`dvdgan check` refuses params.yaml**: nothing would run. See below."


def _lock(review: Review) -> Iterator[str]:
    if review.stale:
        names = listed([each.stage for each in review.stale])
        reasons = listed(sorted({each for stale in review.stale for each in stale.reasons}))
        yield (
            f"**dvc.lock does not match params.yaml** or the code: {names} ({reasons}). Run "
            "`dvc repro`, commit dvc.lock, and `dvc push`."
        )
        if review.restorable:
            yield (
                f"DVC's run cache has the results of {listed(review.restorable)}: `dvc repro` "
                "restores them without running."
            )
    elif review.is_locked.old and not review.is_locked.new:
        yield "**dvc.lock is gone**: no result is recorded for these params."


def _cost(review: Review) -> Iterator[str]:
    old, new = review.training or (None, None)
    if old is not None and new is not None:
        work, clips = new.clip_multiply_adds / old.clip_multiply_adds, new.clips / old.clips
        if work * clips >= MORE:
            factors = {"multiply-adds for each clip": work, "clips": clips}
            parts = [f"{times(each)} the {what}" for what, each in factors.items() if each != 1]
            yield f"**Training costs {times(work * clips)} as much**: {', '.join(parts)}."
        if new.memory / old.memory >= MORE:
            yield f"**Training needs {times(new.memory / old.memory)} the memory** on each device."
    for before, now in review.work:
        if before.clips and now.clips / before.clips >= MORE:
            yield f"**{times(now.clips / before.clips)} the {now.what}**: {now.clips:,}."
    precision = next((each for each in review.params if each.key == "train.precision"), None)
    if precision is not None and precision.now == "fp32":
        yield "**Training is in fp32 now**, which is slower than the numbers below know of."


def _measurement(review: Review) -> Iterator[str]:
    keys = [each.key for each in review.params]
    changed = [key for key in keys if key.startswith(OF_MEASUREMENT)]
    if PROTOCOLS in changed:
        before, now = next((p.before, p.now) for p in review.params if p.key == PROTOCOLS)
        yield (
            f"**The protocol changed** from {listed(before)} to {listed(now)}: metrics do not "
            "compare with those of the base."
        )
    elif changed:
        yield (
            f"**How metrics are measured changed** ({listed(changed)}): they do not compare with "
            "those of the base."
        )


def _data(review: Review) -> Iterator[str]:
    keys = [each.key for each in review.params if each.key.startswith(OF_DATA)]
    names = [*review.data, *keys]
    if names:
        yield f"**The data changed** ({listed(names)}): the model learns from other clips."


def _paper(review: Review) -> Iterator[str]:
    for change in review.params:
        paper = review.paper[change.key]
        if change.key == "train.batch_size" and change.before == paper != change.now:
            yield (f"**The batch is no longer the paper's** {change.before} but {change.now}.")
    left = [each for each in review.left if each.numbers is not None]
    if left and not review.matched:
        names = listed([f"presets/{each.name}.yaml" for each in left])
        keys = [each.key for each in review.params if review.paper[each.key] is not ABSENT]
        more = f" in {listed(keys)}" if keys else ""
        yield f"**No longer {names}**{more}."


def _metrics(review: Review) -> Iterator[str]:
    worse = [each.metric for each in review.metrics or [] if each.verdict == WORSE]
    if worse:
        yield f"**Worse, beyond noise**: {', '.join(worse)}."
    unlike = [each for each in review.metrics or [] if each.verdict == NOT_COMPARABLE]
    if unlike and len(unlike) == len(review.metrics or []):
        yield "**No metric compares** with the base: they were measured in other ways."


def listed(names: list[str], most: int = 4) -> str:
    """Names as code, the first ``most`` and how many more."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def why(stage: StageChange) -> str:
    """The reasons a stage runs again, in words."""
    if stage.reasons:
        return listed(stage.reasons)
    return f"if the output of {listed(stage.upstream)} changes"

"""Why a run never learned, from its ledger, and what to change."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.health import DISCRIMINATORS, Baseline, EvaluationRecord

if TYPE_CHECKING:
    from dvdgan.config.guard import Thresholds
    from dvdgan.config.schema import Train

# The mean clip of a data set of many pictures is far from its clips: nearer than this share of the
# untrained generator's distance, the clips hardly differ.
ONE_PICTURE = 0.05
# A layer whose largest singular value changes by less in a whole stretch of training is not trained
# in any number of such stretches.
HARDLY_MOVED = 0.002


def never_learned(events: list[ledger.Event], train: "Train", where: Path) -> UserError:
    """The error in which a run without a healthy checkpoint ends."""
    ended = next((event for event in reversed(events) if event["event"] == "never_learned"), None)
    step = ended["reached"] if ended else ledger.reached(events)
    reasons = f": {'; '.join(ended['reasons'])}" if ended and ended["reasons"] else ""
    return UserError(
        f"the run never learned: none of its checkpoints up to step {step} is healthy and clearly "
        f"closer to real clips than the untrained generator{reasons}",
        where=str(where),
        todo="; ".join(advice(events, train)),
    )


def advice(events: list[ledger.Event], train: "Train") -> list[str]:
    """What to change, by all evaluations of the run, rolled back ones included."""
    records = [EvaluationRecord.of(event) for event in events if event["event"] == "evaluated"]
    baseline = ledger.baseline(events)
    found = list(_causes(records, baseline, train))
    return found or [
        f"train longer, or raise train.guard.warm_up (it is {train.guard.warm_up:g} of train.steps)"
    ]


def _causes(
    records: Sequence[EvaluationRecord], baseline: Baseline | None, train: "Train"
) -> Iterator[str]:
    rates = (
        f"generator_learning_rate ({train.generator_learning_rate:g}) and "
        f"discriminator_learning_rate ({train.discriminator_learning_rate:g})"
    )
    if baseline is not None and (baseline.mean_clip.value < ONE_PICTURE * baseline.untrained.value):
        yield (
            "check the real clips, which hardly differ: the mean of all clips has FVD "
            f"{baseline.mean_clip.value:.3g}"
        )
    if _too_high(records, baseline):
        yield f"lower train.{rates}: the networks diverged"
    elif _hardly_moves(records, "generator"):
        yield (
            f"raise train.generator_learning_rate ({train.generator_learning_rate:g}): the weights "
            "of the generator hardly changed"
        )
    elif won := [name for name in DISCRIMINATORS if _won(records, name, train.guard.thresholds)]:
        yield (
            f"weaken the discriminators, because the {' and the '.join(won)} one makes no "
            "mistakes: lower train.discriminator_learning_rate "
            f"({train.discriminator_learning_rate:g}), train.discriminator_steps "
            f"({train.discriminator_steps}) or model.discriminator_channels"
        )


def _too_high(records: Sequence[EvaluationRecord], baseline: Baseline | None) -> bool:
    """Broken numbers, no gradient left, or half of the records farther from real clips than
    untrained samples: the first ones of a good run are, too."""
    for record in records:
        numbers = record.metrics | record.training
        if None in numbers.values() or numbers.get("generator_gradient") == 0:
            return True
    if baseline is None:
        return False
    farther = [baseline.untrained.clearly_below(record.distance) for record in records]
    return bool(farther) and 2 * sum(farther) >= len(farther)


def _hardly_moves(records: Sequence[EvaluationRecord], network: str) -> bool:
    growth = [record.training.get(f"{network}_singular_values") for record in records]
    known = [value for value in growth if value is not None]
    return bool(known) and all(abs(value - 1) < HARDLY_MOVED for value in known)


def _won(records: Sequence[EvaluationRecord], name: str, limits: "Thresholds") -> bool:
    """Whether a discriminator had won in most records."""
    won = []
    for training in (record.training for record in records):
        loss, gap = training.get(f"{name}_loss"), training.get(f"{name}_gap")
        if loss is not None and gap is not None:
            won.append(loss < limits.discriminator_loss and gap > limits.logit_gap)
    return sum(won) * 2 > len(won)

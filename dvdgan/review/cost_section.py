"""The section of a review about cost: what it takes to train, before and now."""

from collections.abc import Callable
from operator import attrgetter

from dvdgan.reporting.costs import count, memory, times
from dvdgan.reporting.scores import format_number
from dvdgan.review.costs import TrainingCost
from dvdgan.review.disk import run_bytes
from dvdgan.review.gather import Review
from dvdgan.review.table import folded, table
from dvdgan.review.warnings import MORE

HEAD = ("", "before", "now", "factor")
ALWAYS_SHOWN = ("time", "price")

Quantity = Callable[[TrainingCost], float]
Written = Callable[[float], str]


def cost_section(review: Review) -> str:
    """Tables and notes in Markdown; empty if nothing that costs much has changed.

    What stays equal is folded, but for time and price.
    """
    rows = [] if review.training is None else _training_rows(review)
    rows += [_row(now.what, before.clips, now.clips, _whole) for before, now in review.work]
    rows += [_row(f"disk: {each.what}", each.before, each.now, memory) for each in review.disk]
    if not rows:
        return ""
    equal = [row for row in rows if row[1] == row[2] and not row[0].startswith(ALWAYS_SHOWN)]
    shown = [row for row in rows if row not in equal]
    parts = ["### Cost"]
    parts += [table(HEAD, shown)] if shown else []
    if equal:
        summary = "What stays equal"
        parts.append(folded(summary, table(("", "before and now"), [row[:2] for row in equal])))
    if review.training is not None:
        parts.append(" ".join(_notes(review)))
    return "\n\n".join(parts)


def _training_rows(review: Review) -> list[tuple[str, ...]]:
    speed, prices = review.speed, review.prices
    quantities: list[tuple[str, Quantity, Written]] = []
    assert review.training is not None
    old, new = review.training
    unlike = ""
    if speed is not None and any(cost.precision != speed.precision for cost in (old or new, new)):
        unlike = f", at the speed of {speed.precision}"  # that of others is not known
    if speed is not None:
        quantities += [
            (f"time to train{unlike}", lambda cost: cost.hours(speed, prices.devices), _time),
            (
                f"clips/s{unlike}",
                lambda cost: cost.clips_per_second(speed, prices.devices),
                format_number,
            ),
        ]
    if speed is not None and prices.per_hour:
        price = prices.per_hour * prices.devices
        title = f"price at {prices.per_hour:g} for an hour of a device{unlike}"
        quantities.insert(
            1, (title, lambda cost: price * cost.hours(speed, prices.devices), _money)
        )
    quantities += [
        ("memory of a device, at most", attrgetter("memory"), memory),
        ("clips to train on", attrgetter("clips"), _whole),
        ("multiply-adds of a step for each clip", attrgetter("clip_multiply_adds"), count),
        ("multiply-adds of the run", attrgetter("multiply_adds"), count),
        ("parameters of G", attrgetter("generator_parameters"), count),
        ("parameters of D_S and D_T", attrgetter("discriminator_parameters"), count),
        ("disk: a checkpoint", attrgetter("checkpoint_bytes"), memory),
        ("disk: all checkpoints of the run, at most", _checkpoints, memory),
    ]
    return [
        _row(title, None if old is None else quantity(old), quantity(new), written)
        for title, quantity, written in quantities
    ]


def _notes(review: Review) -> list[str]:
    speed, prices = review.speed, review.prices
    devices = f"{prices.devices} device" + ("s" if prices.devices > 1 else "")
    assert review.training is not None
    found = [f"For {devices}. Memory is that of float32."]
    if speed is None:
        found.append(
            "No time: neither .runs/train nor benchmarks/results has the speed of a model of about "
            "this size."
        )
    else:
        own = review.training[1].precision
        unlike = (
            ""
            if speed.precision == own
            else f" That is the speed of {speed.precision}; this trains in {own}, whose speed was "
            "not measured."
        )
        found.append(
            f"Time: as many multiply-adds a second as {speed.source}, without evaluations and "
            f"rollbacks.{unlike}"
        )
    if speed is not None and speed.run is not None:
        taken, kept = run_bytes(speed.run)
        found.append(f"Its folder takes {memory(taken)} on disk, with {kept} checkpoints.")
    return found


def _checkpoints(cost: TrainingCost) -> int:
    return cost.checkpoints * cost.checkpoint_bytes


def _row(title: str, old: float | None, new: float | None, written: Written) -> tuple[str, ...]:
    before, now = ("not known yet" if each is None else written(each) for each in (old, new))
    return (title, before, now, _factor(old, new))


def _factor(old: float | None, new: float | None) -> str:
    if not old or not new or old == new:
        return ""
    factor = new / old
    return f"**{times(factor)}**" if factor >= MORE else times(factor)


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _time(hours: float) -> str:
    return f"{hours * 60:.1f} min" if hours < 1 else f"{format_number(hours)} h"


def _money(value: float) -> str:
    return f"{value:,.2f}"

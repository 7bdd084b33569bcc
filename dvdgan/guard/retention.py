"""Which checkpoints of a run are worth their bytes: a pure function of the ledger."""

from collections.abc import Iterable

from dvdgan.guard.ledger import Event, evaluations, last_healthy, reached


def kept(
    events: list[Event], steps: Iterable[int], last: int, every: int | None = None
) -> set[int]:
    """Those of ``steps`` to keep, given the ledger's ``events``.

    The ``last`` newest, multiples of ``every`` steps, those that were promoted, and what a rollback
    or a restart may go on from: the newest healthy one (before there is one, the newest that was
    judged) and all later ones, judged or not.
    """
    ascending = sorted(steps)
    goes_on_from = last_healthy(events) or reached(events)
    wanted = {step for step in ascending if step >= goes_on_from}
    wanted |= set(ascending[-last:]) | (best_so_far(events) & set(ascending))
    if every is not None:
        wanted |= {step for step in ascending if step % every == 0}
    return wanted


def best_so_far(events: list[Event]) -> set[int]:
    """The healthy steps that had the lowest FVD when they were judged, and were not rolled back.

    The last of them is the one a run ends with.
    """
    found: set[int] = set()
    lowest = float("inf")
    for event in evaluations(events):
        if event["verdict"] == "healthy" and event["metrics"]["FVD"] < lowest:
            lowest = event["metrics"]["FVD"]
            found.add(event["step"])
    return found

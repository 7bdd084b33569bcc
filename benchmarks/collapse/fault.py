"""What a fault is: something done to a run between two steps of real training.

It acts on what the loop works with: the networks, their optimisers, the draws, the clips; nothing
is written into the telemetry.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dvdgan.training.round import Clips, Round
from dvdgan.training.state import TrainState
from dvdgan.training.step import Figures


def _nothing(state: TrainState) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """Done once (``strike``), to every batch of real clips (``feed``), after every step
    (``settle``)."""

    strike: Callable[[Round], Round] = lambda one_round: one_round
    feed: Callable[[Clips], Clips] = lambda clips: clips
    settle: Callable[[TrainState], None] = _nothing


@dataclass
class Struck:
    """A round of training that goes wrong at step ``onset``."""

    round: Round
    fault: Fault
    onset: int

    def play(self, clips: Clips) -> tuple[Figures, float]:
        step = self.round.state.step + 1
        if step == self.onset:
            self.round = self.fault.strike(self.round)
        if step < self.onset:
            return self.round.play(clips)
        told = self.round.play(self.fault.feed(clips))
        self.fault.settle(self.round.state)
        return told

"""What a fault is: something done to a run between two steps of real training.

It acts on what the loop works with: the networks, their optimisers, the draws, the clips; nothing
is written into the telemetry.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dvdgan.training.state import TrainState
from dvdgan.training.train_step import Batches, StepMetrics, TrainStep


def _nothing(state: TrainState) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """Done once (``strike``), to every batch of real clips (``feed``), after every step
    (``settle``)."""

    strike: Callable[[TrainStep], TrainStep] = lambda train_step: train_step
    feed: Callable[[Batches], Batches] = lambda clips: clips
    settle: Callable[[TrainState], None] = _nothing


@dataclass
class Struck:
    """A round of training that goes wrong at step ``onset``."""

    round: TrainStep
    fault: Fault
    onset: int

    def run(self, clips: Batches) -> tuple[StepMetrics, float]:
        step = self.round.state.step + 1
        if step == self.onset:
            self.round = self.fault.strike(self.round)
        if step < self.onset:
            return self.round.run(clips)
        metrics = self.round.run(self.fault.feed(clips))
        self.fault.settle(self.round.state)
        return metrics

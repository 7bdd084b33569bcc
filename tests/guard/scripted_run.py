"""Scripted trainers and evaluations in place of real ones, and the params of their runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lax_guard import LAX

from dvdgan.config import load_config
from dvdgan.config.guard import Guard, Thresholds
from dvdgan.config.schema import Train
from dvdgan.guard import ledger
from dvdgan.guard.evaluations import EvaluationResult
from dvdgan.guard.run_folder import RunFolder, write_manifest
from dvdgan.guard.supervisor import SupervisorActions

NAN = None
PROJECT = Path(__file__).resolve().parents[2]
Story = list[int | tuple[str, int]]


def params(**guard: Any) -> Train:
    defaults = {
        "samples": 32,
        "evaluate_every": 10,
        "patience": 1,
        "thresholds": Thresholds(
            **(LAX | {"baseline_factor": 1.0, "distance_ratio": 2.0, "gradient_ratio": 5.0})
        ),
        "warm_up": 1.0,
        "max_rollbacks": 2,
        "learning_rate_scale": 0.5,
        "added_discriminator_steps": 1,
    }
    demo = load_config(PROJECT / "presets" / "demo.yaml").train
    sizes = {"steps": 40, "checkpoint_every": 10, "preview_every": 10}
    return demo.model_copy(update=sizes | {"guard": Guard(**(defaults | guard))})


def save(run: RunFolder, step: int) -> None:
    run.checkpoint(step).mkdir(parents=True)
    write_manifest(run.checkpoint(step))


@dataclass
class ScriptedTrainer:
    """At every poll it saves one more checkpoint of its script, then ends with ``code``."""

    run: RunFolder
    script: list[int]
    code: int
    stopped: int = 0

    def poll(self) -> int | None:
        if not self.script or self.stopped:
            return self.code
        save(self.run, self.script.pop(0))
        return None

    def stop(self) -> int:
        self.stopped += 1
        return self.code


@dataclass
class ScriptedEvaluation:
    """Done after ``polls`` polls; the result is a scripted FVD."""

    fvd: float | None
    polls: int = 1
    reach: float = 0.0
    """Half the width of its interval."""
    cancelled: bool = False

    def done(self) -> bool:
        self.polls -= 1
        return self.polls <= 0

    def result(self) -> EvaluationResult:
        metrics = {"FID": 1.0, "FVD": self.fvd, "IS": 1.0}
        if self.fvd is None:
            return EvaluationResult(metrics, {})
        intervals = {"FVD": [self.fvd - self.reach, self.fvd + self.reach]}
        mean_clip = {"metrics": {"FVD": 2000.0}, "intervals": {}}
        return EvaluationResult(metrics, {"diversity": 1.0}, intervals, {}, mean_clip)

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class ScriptedActions(SupervisorActions):
    """Trainers and evaluations by script; rolling back is the real thing."""

    trainers: list[tuple[list[int], int]]
    fvds: dict[tuple[int, int], float | None]  # (restart index, step) -> FVD
    polls: Callable[[int], int] = lambda step: 1
    untrained: float = 1000.0
    reach: float = 0.0
    launched: list[ScriptedTrainer] = field(default_factory=list)
    evaluated: list[tuple[int, int]] = field(default_factory=list)
    evaluations: list[ScriptedEvaluation] = field(default_factory=list)

    def launch(self, run: RunFolder) -> ScriptedTrainer:
        run.failure.unlink(missing_ok=True)
        script, code = self.trainers.pop(0)
        self.launched.append(ScriptedTrainer(run, script, code))
        return self.launched[-1]

    def evaluate(self, run: RunFolder, step: int) -> ScriptedEvaluation:
        if step == 0:
            return ScriptedEvaluation(self.untrained, reach=self.reach)
        key = (run.schedule_override().restart_index, step)
        self.evaluated.append(key)
        evaluation = ScriptedEvaluation(self.fvds[key], self.polls(step), self.reach)
        self.evaluations.append(evaluation)
        return self.evaluations[-1]

    def announce(self, event: dict[str, Any]) -> None:
        ledger.describe(event)


def events(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [event for event in ledger.read(run.ledger) if event["event"] == kind]


def first(*fvds: float | None) -> dict[tuple[int, int], float | None]:
    """FVDs before the first rollback at steps 10, 20, ..."""
    return {(0, 10 * number): fvd for number, fvd in enumerate(fvds, start=1)}

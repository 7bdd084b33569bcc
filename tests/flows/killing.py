"""Kill at random what works on a run, the command, its flow, the trainer or the evaluation."""

import random
import subprocess
import time
from collections import Counter

import psutil
from light_run import LightRun, nothing_left

STEPS = 64
COMMAND, FLOW = "bin/dvdgan train", "-m flows.train"
TRAINER, EVALUATION = "light_trainer", "-m dvdgan evaluate"
KINDS = (COMMAND, FLOW, TRAINER, EVALUATION)


def kill_one_of(run: LightRun, rng: random.Random) -> str:
    """Kill a process of a kind chosen among those that are there; its kind."""
    while True:
        there = {kind: found for kind in KINDS if (found := run.alive(kind))}
        assert there, run.log.read_text()
        kind = rng.choice(sorted(there))
        try:
            there[kind][0].kill()
        except psutil.NoSuchProcess:
            continue
        return kind


def survive(run: LightRun, undisturbed: LightRun, kills: int, seed: int) -> Counter[str]:
    """Kill ``kills`` times while the run goes on to its end; how often which process.

    Then nothing may be lost, left, or other than in the ``undisturbed`` run.
    The trainer holds at as many steps, so that no machine is too fast; each kill comes at a random
    moment after it was let go on.
    """
    rng, killed = random.Random(seed), Counter[str]()
    holds = [2 + number * (STEPS - 8) // kills for number in range(kills)]
    run.environment["LIGHT_HOLDS"] = " ".join(map(str, holds))
    commands: list[subprocess.Popen[bytes]] = []
    with nothing_left(run):
        commands.append(run.begin())
        for hold in holds:
            run.await_that(lambda hold=hold: run.steps() >= hold and run.alive(TRAINER))
            run.release(hold)
            time.sleep(rng.uniform(0, 0.8))
            before = run.saved()
            kind = kill_one_of(run, rng)
            killed[kind] += 1
            if kind == EVALUATION:  # its supervisor begins it again
                continue
            if rng.random() < 0.5:
                run.await_that(lambda: not run.alive())
            # Else while whatever is left of the one before is still saving.
            commands.append(run.begin())
            run.await_that(lambda: commands[-1].poll() is not None or run.alive(TRAINER))
            assert run.saved() >= before, "a checkpoint is lost"
        for command in commands:
            run.ended(command)
        assert run.finish() == 0, run.log.read_text()
    assert run.outcome() == undisturbed.outcome()
    return killed

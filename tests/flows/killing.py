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


def family(command: "subprocess.Popen[bytes]") -> dict[str, psutil.Process]:
    """The command and all it has started, by kind."""
    found = {}
    try:
        process = psutil.Process(command.pid)
        for each in (process, *process.children(recursive=True)):
            line = " ".join(each.cmdline())
            found |= {kind: each for kind in KINDS if kind in line and "lifeline" not in line}
    except psutil.NoSuchProcess:
        return found  # one that ended meanwhile
    return found


def kill_one_of(command: "subprocess.Popen[bytes]", rng: random.Random) -> str:
    """Kill a process of a kind chosen among those that are there; its kind."""
    while True:
        there = family(command)
        assert there, f"`dvdgan train` ended by itself with {command.poll()}"
        kind = rng.choice(sorted(there))
        try:
            there[kind].kill()
        except psutil.NoSuchProcess:
            continue
        return kind


def survive(run: LightRun, undisturbed: LightRun, kills: int, seed: int) -> Counter[str]:
    """Kill ``kills`` times while the run goes on to its end; how often which process.

    Then nothing may be lost, left, or other than in the ``undisturbed`` run. The trainer holds at
    as many steps, so that no machine is too fast; each kill comes at a random moment after it was
    let go on.
    """
    rng, killed = random.Random(seed), Counter[str]()
    holds = [2 + number * (STEPS - 8) // kills for number in range(kills)]
    run.environment["LIGHT_HOLDS"] = " ".join(map(str, holds))
    commands: list[subprocess.Popen[bytes]] = []

    def training(hold: int) -> bool:
        return run.steps() >= hold and TRAINER in family(commands[-1])

    with nothing_left(run):
        commands.append(run.begin())
        for hold in holds:
            run.await_that(lambda hold=hold: training(hold))
            run.release(hold)
            time.sleep(rng.uniform(0, 0.8))
            before = run.saved()
            kind = kill_one_of(commands[-1], rng)
            killed[kind] += 1
            if kind == EVALUATION:  # its supervisor begins it again
                continue
            if rng.random() < 0.5:
                run.await_that(lambda: not run.alive())
            # Else while whatever is left of the one before is still saving.
            commands.append(run.begin())
            run.await_that(lambda: training(0))
            assert run.saved() >= before, "a checkpoint is lost"
        for command in commands:
            run.ended(command)
        assert run.finish() == 0, run.log.read_text()
    for mine, expected in zip(run.outcome(), undisturbed.outcome(), strict=True):
        assert mine == expected  # one by one, so that a failure shows the line
    return killed

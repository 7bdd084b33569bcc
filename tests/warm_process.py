"""A process that has imported this package and torch, and forks itself instead of starting Python.

A line of JSON on stdin: the arguments of a Popen of `python -m MODULE ...` or `python SCRIPT ...`;
`stdout` and `stderr` are the files it writes. The answers are its pid and, when it has ended, its
exit code (minus the signal). What it starts by the same Python (trainers, evaluations) is a fork
too; all else is a process as everywhere.
"""

import contextlib
import functools
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import av
import boto3
import pandas
import pyarrow.dataset
import torch
import torch._dynamo
from PIL import Image

import dvdgan.cli
import dvdgan.stages.evaluate
import dvdgan.stages.export
import dvdgan.stages.train
import dvdgan.training.loop
from dvdgan.guard.interruption import SIGNALS
from dvdgan.guard.parent_death_signal import WITH_PARENT_DEATH_SIGNAL, set_parent_death_signal

IMPORTED = av, boto3, pandas, pyarrow.dataset, torch._dynamo, dvdgan  # also what they do late
WRAPPED = len(WITH_PARENT_DEATH_SIGNAL)


class ForkingPopen(subprocess.Popen[Any]):
    """A Popen whose child becomes a command of this Python without an exec."""

    def __init__(self, args: Any, *others: Any, **options: Any) -> None:
        words = list(args) if isinstance(args, list | tuple) else [args]
        dies_with_parent = tuple(words[:WRAPPED]) == WITH_PARENT_DEATH_SIGNAL
        python, *command = words[WRAPPED:] if dies_with_parent else words
        if command[:1] == ["-u"]:  # as torchrun starts its ranks
            del command[0]
        if python == sys.executable and (command[0] == "-m" or command[0].endswith(".py")):
            variables = dict(options.get("env") or os.environ)
            become_it = functools.partial(become, command, variables, dies_with_parent)
            options["preexec_fn"] = become_it  # never comes back to the exec
        super().__init__(args, *others, **options)


def become(words: Sequence[str], variables: Mapping[str, str], dies_with_parent: bool) -> NoReturn:
    """Run `python WORDS` in this fresh fork to its end, as if Python had just started."""
    code = 1
    try:
        gc.enable()
        _forget_the_parent(variables)
        if dies_with_parent:
            set_parent_death_signal()
        code = _run(words)
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as every exit does
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _forget_the_parent(variables: Mapping[str, str]) -> None:
    """Its environment, files and handlers of signals."""
    os.environ.clear()
    os.environ |= variables
    # Not closed: an object of the parent may close its file later, which has another number's then.
    nothing = os.open(os.devnull, os.O_RDWR)
    for link in list(Path("/proc/self/fd").iterdir()):
        if int(link.name) not in (0, 1, 2, nothing):
            os.dup2(nothing, int(link.name), inheritable=False)
    for number in (*SIGNALS, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def _run(words: Sequence[str]) -> int:
    try:
        if words[0] == "-m":
            sys.argv = list(words[1:])
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = list(words)
            sys.path.insert(0, str(Path(words[0]).parent))
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    return 0


def main() -> None:
    """Answer requests until stdin is closed."""
    Image.init()
    gc.freeze()  # what is never looked through stays shared
    subprocess.Popen = ForkingPopen  # type: ignore[misc]
    for line in sys.stdin:
        options = json.loads(line)
        out_file, err_file = Path(options.pop("stdout")), Path(options.pop("stderr"))
        with out_file.open("wb") as out, err_file.open("wb") as err:
            process = ForkingPopen(**options, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        print(process.pid, flush=True)
        print(process.wait(), flush=True)


if __name__ == "__main__":
    main()

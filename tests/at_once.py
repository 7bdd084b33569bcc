"""`dvc` and `dvdgan` that start at once: forks of a process that has imported what they need.

For tests that look at what a command prints, returns and leaves. Its imports take one to three
seconds of a core, most of what such a command costs. A command that is signalled or killed, or
whose own process is the point, is started as users start it.

`tools` starts that process and gives the folder of the commands, to be put first on PATH; what
they start finds them there, too: DVC's stages. Each of them only hands its words, folder,
environment and streams to the process, which forks, and returns the fork's exit code.
"""

import gc
import importlib
import io
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path

# What the commands import while they run.
IMPORTS = {
    "dvc": (
        *("dvc.cli", "dvc.cli.parser", "dvc.analytics", "dvc.api", "dvc.repo.reproduce"),
        *("dvc.stage.run", "dvc.stage.cache", "dvc.cachemgr", "dvc.data_cloud", "configobj"),
        *("dvc_data.index", "dvc_data.hashfile.db.local", "networkx", "scmrepo.git"),
        *("dulwich.repo", "dulwich.worktree", "s3fs", "aiobotocore.session", "dvc_s3"),
    ),
    "dvdgan": (
        *("dvdgan.cli", "dvdgan.stages.index", "dvdgan.stages.shard", "dvdgan.config.load"),
        *("torch", "pandas", "pyarrow.parquet", "pyarrow.dataset", "pyarrow.pandas_compat", "av"),
        *("webdataset", "dvc.api", "boto3", "pydantic.type_adapter"),
    ),
}


@cache
def _nursery() -> "tuple[subprocess.Popen[bytes], Path]":
    folder = Path(tempfile.mkdtemp(prefix="at-once-"))
    address, root = folder / "socket", Path(__file__).resolve().parents[1]
    for name in IMPORTS:
        words = f"{sys.executable} -ISP {__file__} {address} {name}"
        (folder / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (folder / name).chmod(0o755)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen()
    with listener:
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(listener.fileno())],
            env=os.environ | {"PYTHONPATH": str(root)},
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,  # whose end it takes for the end of the tests
        )
    return process, folder


def tools() -> str:
    """The folder of the commands, which work until `end`."""
    return str(_nursery()[1])


def end() -> None:
    """End the process, if there is one; at the end of a session."""
    if not _nursery.cache_info().currsize:
        return
    process, folder = _nursery()
    process.communicate(timeout=60)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    _nursery.cache_clear()


def ask(address: str, name: str, words: list[str]) -> int:
    """Have a fork run the command here; its exit code."""
    request = [name, words, str(Path.cwd()), dict(os.environ)]
    with socket.socket(socket.AF_UNIX) as nursery:
        nursery.connect(address)
        socket.send_fds(nursery, [b"."], [0, 1, 2])
        nursery.sendall(json.dumps(request).encode() + b"\n")
        return int(nursery.recv(16))


def serve(listener: socket.socket) -> None:
    """Fork for each request until stdin ends."""
    while sys.stdin not in (ready := select.select([listener, sys.stdin], [], [], 1)[0]):
        if ready:
            _answer(listener.accept()[0])
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    with suppress(ChildProcessError):
        while True:
            os.wait()


def _answer(connection: socket.socket) -> None:
    streams = socket.recv_fds(connection, 1, 3)[1]
    with connection.makefile() as file:
        request = json.loads(file.readline())
    for module in IMPORTS[request[0]]:
        importlib.import_module(module)
    gc.freeze()  # else each fork looks for garbage among all of that
    if os.fork() == 0:
        command = os.fork()
        if command == 0:
            _become(streams, *request)
        ended = os.pidfd_open(command)
        if ended not in select.select([ended, connection], [], [])[0]:
            os.kill(command, signal.SIGKILL)  # nobody waits for it any more
        code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        with suppress(BrokenPipeError):
            connection.sendall(str(code).encode())
        os._exit(0)
    for each in streams:
        os.close(each)
    connection.close()


def _become(
    streams: list[int], name: str, words: list[str], folder: str, variables: dict[str, str]
) -> None:
    """Run the command in this process, and end it."""
    code: object = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        sys.argv = [name, *words]
        # As Python opens them, which looks at what they are: a terminal, a file or a pipe.
        sys.stdout = sys.__stdout__ = _opened(1, errors="strict")
        sys.stderr = sys.__stderr__ = _opened(2, errors="backslashreplace")
        if name == "dvc":
            for each in ("dvc", "dvc_data", "dvc_objects"):  # they print to the streams before
                logging.getLogger(each).handlers.clear()
            importlib.import_module("dvc.logger").setup()
        code = importlib.import_module(f"{name}.cli").main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()  # as Python waits for threads
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _opened(number: int, errors: str) -> io.TextIOWrapper:
    buffering = 1 if number == 2 or os.isatty(number) else -1
    return open(number, "w", buffering, encoding="utf-8", errors=errors, closefd=False)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(ask(sys.argv[1], sys.argv[2], sys.argv[3:]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(socket.socket(fileno=int(sys.argv[1])))

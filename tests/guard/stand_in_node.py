"""A node of a run whose trainers are a stand-in: SCRIPT RUN_FOLDER NAME TICKET.

The stand-in writes the words it was started with, and works until it is told to stop or to finish.
"""

import sys
from pathlib import Path

from dvdgan.guard import node
from dvdgan.guard.run_folder import RunFolder

TRAINER = """
import json, pathlib, signal, sys, time
name, nodes, endpoint, folder = *sys.argv[1:4], pathlib.Path(sys.argv[-1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
with (folder / "trained").open("a") as file:
    file.write(json.dumps([name, int(nodes), endpoint]) + "\\n")
print("training", flush=True)
while not (folder / "finish").exists():
    time.sleep(0.02)
sys.exit(int((folder / "finish").read_text()))
"""


def main() -> None:
    run, name, ticket = RunFolder(Path(sys.argv[1])), *sys.argv[2:]

    def launcher(nodes: int, processes: int, endpoint: str, run_id: str) -> list[str]:
        return [sys.executable, "-c", TRAINER, name, str(nodes), endpoint]

    node.launcher = launcher
    node.serve(run, name, ticket, print)


if __name__ == "__main__":
    main()

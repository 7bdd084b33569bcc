"""A node of a run whose trainers are a stand-in: SCRIPT RUN_FOLDER NAME LAUNCH_ID.

The stand-in writes what it was started with, and works until it is stopped or finds the file
`finish`.
"""

import sys
from pathlib import Path

from dvdgan.guard import agent
from dvdgan.guard.run_folder import RunFolder

TRAINER = """
import json, os, pathlib, signal, sys, time
name, nodes, endpoint, folder = *sys.argv[1:4], pathlib.Path(sys.argv[-1])
def stopped(*_):
    own = folder / f"when-stopped-{name}"
    sys.exit(int(own.read_text()) if own.exists() else 75)
signal.signal(signal.SIGTERM, stopped)
known = ("AWS_SECRET_ACCESS_KEY", "WANDB_MODE", "NCCL_DEBUG", "CUDA_VISIBLE_DEVICES")
variables = {key: os.environ[key] for key in known if key in os.environ}
(folder / f"environment-of-{name}").write_text(json.dumps(variables))
with (folder / "trained").open("a") as file:
    file.write(json.dumps([name, int(nodes), endpoint]) + "\\n")
print("training", flush=True)
while not (ends := [*folder.glob("finish"), *folder.glob(f"finish-{name}")]):
    time.sleep(0.02)
sys.exit(int(ends[0].read_text()))
"""


def main() -> None:
    run, name, launch_id = RunFolder(Path(sys.argv[1])), *sys.argv[2:]

    def launcher(nodes: int, processes: int, endpoint: str, run_id: str) -> list[str]:
        return [sys.executable, "-c", TRAINER, name, str(nodes), endpoint]

    agent.launcher = launcher
    agent.serve(run, name, launch_id, print)


if __name__ == "__main__":
    main()

"""A work tree of the real pipeline on a tiny experiment, and commands run in it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from at_once import tools
from lax_guard import LAX
from planted_secrets import VARIABLES

PROJECT = Path(__file__).resolve().parents[2]
PARTS = (
    *("dvdgan", "flows", "infra", "weights"),
    *(".dvc/config", ".dvc/plots.html", ".dvcignore", "dvc.yaml", "prefect.yaml"),
)

# The demo's params with every size cut down: seconds instead of minutes, the same code.
TINY = {
    "frames": 4,
    "test_fraction": 0.34,
    "videos_per_shard": 8,
    "width": 4,
    "steps": 24,
    "batch_size": 4,
    "clips_per_video": 3,
    "generator_channels": 2,
    "discriminator_channels": 2,
    "spatial_frames": 2,
    "checkpoint_every": 12,
    "evaluate_every": 12,
    "patience": 1000,
    "preview_every": 12,
    "samples": 32,
    "standing_batches": 1,
    "standing_batch_size": 8,
    "interpolation_lines": 2,
    "interpolation_videos": 3,
    "components": 4,
    "samples_per_class": 2,
} | LAX


def environment() -> dict[str, str]:
    """The tests' own environment, with this Python's tools first and no Prefect configured.

    It holds credentials, which no file may hold afterwards.

    DVC uses /bin/sh where no SHELL is set, as in a container or under cron, and Debian's does not
    give its place to the command as bash does.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT")}
    tools = str(Path(sys.executable).parent)
    path = f"{tools}{os.pathsep}{clean['PATH']}"
    own = {"PATH": path, "OMP_NUM_THREADS": "1", "SHELL": "/bin/sh", "DVC_NO_ANALYTICS": "1"}
    return clean | VARIABLES | own


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder`` and return what it printed, both streams together."""
    return _run(folder, command, environment())


def run_fork(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """The same with `dvc`, `dvdgan` and DVC's stages as forks: tests/at_once.py."""
    variables = environment()
    path = f"{tools()}{os.pathsep}{variables['PATH']}"
    return _run(folder, command, variables | {"PATH": path})


def _run(
    folder: Path, command: tuple[str, ...], variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=variables,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def edit(folder: Path, key: str, value: object) -> None:
    """Give every line `key: ...` of params.yaml a new value."""
    path = folder / "params.yaml"
    text = path.read_text()
    changed, count = re.subn(rf"(?m)^( *{key}:) .*$", rf"\g<1> {value}", text)
    assert count, f"{key} is not in params.yaml"
    path.write_text(changed)

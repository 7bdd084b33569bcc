"""infra/local/prefect.sh where it cannot start; tests/pipeline runs it."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["PORT", "FILES_PORT"])
def test_a_port_in_use_is_named_and_nothing_is_started(name: str) -> None:
    """Otherwise the deployments would go to another project's server."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        port, free = (str(each.getsockname()[1]) for each in (taken, other))
        other.close()
        ports = {"PORT": free, "FILES_PORT": free} | {name: port}
        done = subprocess.run(
            ["infra/local/prefect.sh"],
            cwd=ROOT,
            env=os.environ | ports,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert done.stdout == ""

"""infra/local/file_server.py: what Prefect's pages link to is served, and nothing else."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVED = (
    "artifacts/report/index.html",
    "artifacts/evaluate/sheets/a b.mp4",
    ".runs/evaluate/abc-step-00000010/artifacts/report/index.html",
    ".runs/retrain/0123/artifacts/report/index.html",
    ".runs/train/abc/ledger.jsonl",
    ".runs/retrain/0123/.runs/train/abc/ledger.jsonl",
)
HIDDEN = (
    *("params.yaml", "dvdgan/cli.py", ".dvc/config.local", ".git/config", ".prefect/server.log"),
    *(".runs/train/abc/settings.json", ".runs/evaluate/history.jsonl"),
    *(".runs/retrain/0123/params.yaml", ".runs/retrain/0123/.dvc/config.local"),
    *("artifacts/.hidden", "artifacts/.git/config", "artifacts/../params.yaml", "outside"),
)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    tree = tmp_path_factory.mktemp("tree")
    for name in (*SERVED, *HIDDEN):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    (tree.parent / "secret").write_text("secret")
    (tree / "artifacts/link").symlink_to(tree.parent / "secret")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    script = ROOT / "infra/local/file_server.py"
    server = subprocess.Popen([sys.executable, script, tree, str(port)], env=os.environ)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert server.poll() is None and time.monotonic() < deadline
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    """Status and body; the path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/" + path.replace(" ", "%20"), headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_linked_files_are_served(port: int) -> None:
    for name in SERVED:
        assert get(port, name) == (200, name)
    assert get(port, "artifacts/report/")[0] == 200


def test_a_part_of_a_video_is_served(port: int) -> None:
    assert get(port, "artifacts/evaluate/sheets/a b.mp4", Range="bytes=0-8") == (206, "artifacts")


def test_nothing_else_is_served(port: int) -> None:
    served = {name: get(port, name)[0] for name in (*HIDDEN, "artifacts/link", "", ".runs/")}
    assert set(served.values()) == {404}, served
    assert get(port, "artifacts/%2e%2e/params.yaml")[0] == 404
    assert get(port, "artifacts/..%2fparams.yaml")[0] == 404


def test_a_web_page_from_elsewhere_cannot_read_along(port: int) -> None:
    """Whose host name has been made to lead to this machine."""
    assert get(port, SERVED[0], Host="evil.example")[0] == 400

"""A Prefect server and an undisturbed run, which files of tests share."""

from collections.abc import Iterator

import at_once
import pytest
from light_run import LightRun, nothing_left
from mortal_server import Mortal


@pytest.fixture(scope="session", autouse=True)
def _at_once() -> Iterator[None]:
    yield
    at_once.end()


@pytest.fixture(scope="session")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """On SQLite; it takes ten seconds of a core to start."""
    server = Mortal(tmp_path_factory.mktemp("server"), None)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> LightRun:
    """What every run has to come to; it needs no server."""
    run = LightRun(tmp_path_factory.mktemp("undisturbed") / "tree", LIGHT_STEP_SECONDS="0")
    with nothing_left(run):
        assert run.finish() == 0, run.log.read_text()
    return run

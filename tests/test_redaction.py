"""No password or signature of a URL is printed, logged, shown or kept."""

import base64
import logging
import threading
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger
from s3_server import ENVIRONMENT

from dvdgan.errors import UserError, redacted
from dvdgan.guard.backup_index import log
from dvdgan.stages import train
from dvdgan.storage.open_store import open_store
from dvdgan.storage.s3 import S3Store
from dvdgan.storage.s3_client import RetryPolicy
from dvdgan.storage.store import StoreUnavailableError
from dvdgan.training.trackers import KNOWN, Trackers
from flows import artifacts
from flows.best_effort import best_effort
from flows.stage import logged

PASSWORD = "hunter2"
URL = f"http://user:{PASSWORD}@127.0.0.1:9/path"
SHOWN = "http://***@127.0.0.1:9/path"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URL, SHOWN),
        (f"no answer from '{URL}' ({URL})", f"no answer from '{SHOWN}' ({SHOWN})"),
        ("http://token-alone@host:4200/api", "http://***@host:4200/api"),
        ("postgresql+asyncpg://me:a@b@host/name", "postgresql+asyncpg://***@host/name"),
        ("https://b.s3/k?X-Amz-Date=1&X-Amz-Signature=ab%2F, then", "https://b.s3/k?*** then"),
        (
            'url "https://host/a?sig=s&x=1" <https://host?token=t>',
            'url "https://host/a?***" <https://host?***>',
        ),
        ("url: /b/k?X-Amz-Signature=ab&x=1 (", "url: /b/k?X-Amz-Signature=***&x=1 ("),
        ("password=secret", "password=***"),
        ("s3://bucket/a@b and user@host, is it?", "s3://bucket/a@b and user@host, is it?"),
        ("http://127.0.0.1:9/path", "http://127.0.0.1:9/path"),
    ],
)
def test_credentials_go_and_places_stay(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_errors_show_none() -> None:
    error = UserError(f"what {URL}", where=URL, todo=f"look at {URL}")
    assert str(error) == f"what {SHOWN}\n  where: {SHOWN}\n  to do: look at {SHOWN}"
    assert str(StoreUnavailableError(f"no answer from {URL}")) == f"no answer from {SHOWN}"


@pytest.mark.parametrize("endpoint", [URL, f"http://user:{PASSWORD}@nowhere.invalid"])
def test_an_endpoint_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    store = S3Store("runs", policy=RetryPolicy(attempts=1, connect_seconds=2))
    with pytest.raises(StoreUnavailableError) as raised:
        store.keys()
    printed = "".join(traceback.format_exception(raised.value))
    assert "***@" in printed
    assert PASSWORD not in printed


@pytest.mark.parametrize(
    "url", [f"s3://key:{PASSWORD}@bucket/x", f"s3://bucket/x?token={PASSWORD}"]
)
def test_a_store_whose_url_holds_credentials_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="must not contain credentials") as raised:
        open_store(url)
    assert PASSWORD not in str(raised.value)


def test_prefect_is_reached_by_the_password_and_named_without_it(capsys) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pair = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
            right = self.headers["Authorization"] == f"Basic {pair}" and self.path == "/api/health"
            self.send_response(200 if right else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    address = f"http://user:{PASSWORD}@127.0.0.1:{server.server_address[1]}/api"
    assert train._answers(address)
    assert not train._answers(address.replace(PASSWORD, "wrong"))
    server.shutdown()
    server.server_close()
    assert not train._answers(address)
    assert not train._answers(f"http://user:{PASSWORD}@host:port/api")
    told = capsys.readouterr().err
    assert told.count("Prefect does not answer at http://***@") == 3
    assert PASSWORD not in told and "wrong" not in told


def test_what_commands_print_goes_to_the_log_without_it(caplog) -> None:
    with disable_run_logger(), pytest.raises(RuntimeError) as raised:
        logged(["sh", "-c", f"echo remote {URL}; exit 1"], ".")
    assert PASSWORD not in str(raised.value)
    assert f"remote {SHOWN}" in str(raised.value)
    with disable_run_logger():
        assert logged(["echo", URL], ".") == [SHOWN]


def test_what_is_only_warned_of(
    caplog: pytest.LogCaptureFixture,
    capsys,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with caplog.at_level(logging.WARNING), best_effort("anything"):
        raise OSError(f"no answer from {URL}")
    log(f"no answer from {URL}")

    def no_tracker(*_: object) -> None:
        raise OSError(f"no answer from {URL}")

    monkeypatch.setitem(KNOWN, "torch", no_tracker)
    Trackers.open(["torch"], tmp_path, "run", 0).close()
    told = caplog.text + capsys.readouterr().err
    assert told.count(f"no answer from {SHOWN}") >= 2
    assert PASSWORD not in told


def test_a_link_on_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown: list[str] = []
    monkeypatch.setenv("DVDGAN_URL", URL)
    monkeypatch.setenv("DVDGAN_FOLDER", str(tmp_path))
    monkeypatch.setattr(artifacts, "impatient_client", threading.Lock)
    monkeypatch.setattr(artifacts, "_create", lambda *given: shown.append(given[-1]))
    artifacts.show_link("report", Path("page.html"), tmp_path)
    assert shown == [f"[page.html]({SHOWN}/page.html)"]

"""What S3 refuses, in words: by every method its reason and what to do, and no secret."""

import contextlib
import io
import logging
import pickle
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from flaky_server import Behaviour, flaky, worst
from parts import MIB, QUICK, file_of

from dvdgan.errors import UserError
from dvdgan.storage.open_store import open_store
from dvdgan.storage.s3 import S3Store
from dvdgan.storage.store import StoreUnavailableError

METHODS: dict[str, Callable[[S3Store, Path], object]] = {
    "put": lambda store, folder: store.put(file_of(folder / "source", 1000), "file"),
    "put in parts": lambda store, folder: store.put(file_of(folder / "big", 6 * MIB), "file"),
    "fetch": lambda store, folder: store.fetch("file", folder / "copy"),
    "read": lambda store, folder: store.read("file", 0, 1),
    "read_bytes": lambda store, folder: store.read_bytes("file"),
    "write_bytes": lambda store, folder: store.write_bytes("file", b"data"),
    "size": lambda store, folder: store.size("file"),
    "sha256": lambda store, folder: store.sha256("file"),
    "open": lambda store, folder: store.open("file"),
    "keys": lambda store, folder: store.keys(),
    "entries": lambda store, folder: store.entries("some"),
    "delete": lambda store, folder: store.delete("file"),
}
REFUSALS = {
    "404 NoSuchBucket": ("the bucket does not exist", "correct the URL"),
    "403 AccessDenied": ("access denied", "s3:GetObject"),
    "403 InvalidAccessKeyId": ("does not know this access key", "AWS_ACCESS_KEY_ID"),
    "403 SignatureDoesNotMatch": ("secret key does not belong", "AWS_SECRET_ACCESS_KEY"),
    "403 RequestTimeTooSkewed": ("the clock of this machine", "set the clock"),
    "400 ExpiredToken": ("the session token has expired", "get new credentials"),
    "400 InvalidToken": ("the session token is not valid", "AWS_SESSION_TOKEN"),
    "400 AuthorizationHeaderMalformed Region=eu-west-3": (
        "the bucket is in the region eu-west-3",
        "AWS_DEFAULT_REGION=eu-west-3",
    ),
    "301 PermanentRedirect Region=eu-west-3": ("the region eu-west-3", "AWS_DEFAULT_REGION"),
    "403 InvalidObjectState": ("archived", "restore"),
    "501 NotImplemented": ("the server does not support this", "use a server"),
}


def everything(harm: str) -> Callable[[str, str], str]:
    return lambda method, path: harm


def each_with_each() -> Iterator[Any]:
    """Methods and refusals; `make test` has each method and each refusal once or more."""
    for place, (method, harm) in enumerate(product(METHODS, REFUSALS)):
        number, refusal = divmod(place, len(REFUSALS))
        marks = [] if number % len(REFUSALS) == refusal else [pytest.mark.long]
        yield pytest.param(method, harm, marks=marks)


@pytest.mark.parametrize(("method", "harm"), list(each_with_each()))
def test_every_method_says_why_it_is_refused_and_what_to_do(
    line: Behaviour, tmp_path: Path, method: str, harm: str
) -> None:
    what, todo = REFUSALS[harm]
    line.harm = everything(harm)
    with pytest.raises(UserError, match=what) as raised:
        METHODS[method](S3Store("runs", "some/where", policy=QUICK), tmp_path)
    assert todo in raised.value.todo
    assert "s3://runs/some/where at http://127.0.0.1" in raised.value.where
    assert line.requests.total() <= 6


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_bucket_that_is_not_there_is_no_missing_file(
    line: Behaviour, tmp_path: Path, method: Callable[[S3Store, Path], object]
) -> None:
    with pytest.raises(UserError, match="the bucket does not exist") as raised:
        method(S3Store("nowhere", policy=QUICK), tmp_path)
    assert "s3://nowhere" in raised.value.where


def test_a_file_that_is_not_there_is_missing_also_where_listing_is_not_allowed(
    store: S3Store, line: Behaviour
) -> None:
    line.harm = worst("403 AccessDenied", "GET")
    for look in (store.size, store.sha256):
        with pytest.raises(FileNotFoundError, match="missing"):
            look("missing")


def test_a_name_that_no_bucket_has(line: Behaviour) -> None:
    with pytest.raises(UserError, match="bucket name"):
        S3Store("No Bucket", policy=QUICK).keys()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("method", ["size", "open", "entries", "put", "fetch"])
def test_nobody_at_the_address_is_reported_within_two_seconds(
    line: Behaviour, nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", nobody)
    slept: list[float] = []
    others = set(threading.enumerate()) - {threading.current_thread()}  # of earlier tests
    sleep = time.sleep

    def recorded(seconds: float) -> None:
        if threading.current_thread() in others:
            sleep(seconds)
        else:
            slept.append(seconds)

    monkeypatch.setattr(time, "sleep", recorded)
    with pytest.raises(StoreUnavailableError, match="connection is refused; start the server"):
        METHODS[method](open_store("s3://runs"), tmp_path)  # type: ignore[arg-type]
    assert sum(slept) < 2  # seconds between attempts, which are all of the wait


def test_a_server_that_has_answered_is_waited_for(
    server: str, line: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with flaky(server) as (address, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        known, unknown = (S3Store("runs", policy=replace(QUICK, attempts=3)) for _ in range(2))
        known.write_bytes("file", b"here")
        known._client().close()  # its connections
    # As it goes to the loader's processes.
    for store, attempts in ((pickle.loads(pickle.dumps(known)), 3), (unknown, 2)):
        sent: list[int] = []
        store._client().meta.events.register("before-send.s3", lambda s=sent, **_: s.append(1))
        with pytest.raises(StoreUnavailableError, match="refused"):
            store.size("file")
        assert len(sent) == attempts


def test_a_name_that_does_not_resolve(line: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://nowhere.invalid")
    with pytest.raises(StoreUnavailableError, match="name cannot be resolved"):
        S3Store("runs", policy=QUICK).size("file")


def test_a_certificate_that_is_not_trusted_and_a_server_without_tls(
    line: Behaviour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = ["-subj", "/CN=localhost", "-keyout", "key", "-out", "certificate", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", *certificate],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    plain = server.server_port
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{plain}")
    with pytest.raises(UserError, match="not trusted") as raised:
        S3Store("runs", policy=QUICK).size("file")
    assert "AWS_CA_BUNDLE" in raised.value.todo
    server.shutdown()
    server.server_close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", line.address.replace("http", "https"))
    with pytest.raises(UserError, match="does not speak TLS") as raised:
        S3Store("runs", policy=QUICK).size("file")
    assert "http://" in raised.value.todo


def test_settings_that_do_not_fit(
    line: Behaviour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(UserError, match="nobody"):
        S3Store("runs", policy=QUICK).keys()
    monkeypatch.delenv("AWS_PROFILE")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(UserError, match="no credentials") as raised:
        S3Store("runs", policy=QUICK).keys()
    assert "AWS_PROFILE" in raised.value.todo


def test_no_secret_is_in_a_message_or_a_log(
    line: Behaviour,
    nobody: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture,
) -> None:
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIAhunter1",
        "AWS_SECRET_ACCESS_KEY": "hunter2/secret",
        "AWS_SESSION_TOKEN": "hunter3/token",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    printed = io.StringIO()
    with caplog.at_level(logging.DEBUG):
        for harm in [None, "403 AccessDenied", "400 ExpiredToken", "500 InternalError"]:
            line.harm = everything(harm) if harm else lambda method, path: None
            store = S3Store("runs", policy=replace(QUICK, attempts=1))
            for method in METHODS.values():
                with contextlib.suppress(UserError, StoreUnavailableError, FileNotFoundError):
                    try:
                        method(store, tmp_path)
                    except Exception as error:
                        printed.write("".join(traceback.format_exception(error)))
                        raise
        monkeypatch.setenv("AWS_ENDPOINT_URL", nobody)
        with pytest.raises(StoreUnavailableError) as raised:
            S3Store("runs", policy=replace(QUICK, attempts=1)).keys()
    captured = capfd.readouterr()
    shown = printed.getvalue() + caplog.text + captured.out + captured.err + str(raised.value)
    assert "access denied" in shown and caplog.records
    for value in [*secrets.values(), "Signature="]:
        assert value not in shown

"""Ranges that are read with a signature used before: the bytes of the object, and boto3 after any
other answer."""

import os
import random
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from flaky_server import Behaviour, worst
from parts import MIB, QUICK
from verifying_server import Account, verifying_server

from dvdgan.errors import UserError
from dvdgan.storage import signed_gets
from dvdgan.storage.rate_limiter import RateLimiter
from dvdgan.storage.s3 import S3Store

KEYS = ("deep/a b.tar", "ü+~.tar")


@pytest.fixture(params=["http", "https"])
def account(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Account]:
    """What a server holds that the environment names; it compares signatures."""
    context = None
    if request.param == "https":
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost", "-nodes"),
                *("-keyout", "key", "-out", "certificate"),
            ],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "certificate"))
    objects = {f"/runs/some/{key}": os.urandom(MIB) for key in KEYS}
    held = Account("secret/of+the=user", objects)
    with verifying_server(held, context) as port:
        for name, value in {
            "AWS_ENDPOINT_URL": f"{request.param}://localhost:{port}",
            "AWS_ACCESS_KEY_ID": "user",
            "AWS_SECRET_ACCESS_KEY": held.secret,
            "AWS_SESSION_TOKEN": "a token",
            "AWS_DEFAULT_REGION": "eu-west-3",
        }.items():
            monkeypatch.setenv(name, value)
        yield held


def test_one_signature_serves_many_ranges_and_is_valid(account: Account) -> None:
    store = S3Store("runs", "some", policy=QUICK)
    for key in KEYS:
        assert store.size(key) == MIB
    account.accepted.clear()
    draws = random.Random(0)
    ranges = [
        (draws.choice(KEYS), draws.randrange(MIB // 2), draws.randint(1, MIB // 2))
        for _ in range(40)
    ]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda each: store.read(*each), ranges))
    for (key, start, length), data in zip(ranges, found, strict=True):
        assert data == account.objects[f"/runs/some/{key}"][start : start + length]
    assert account.refused == 0
    assert len(account.accepted) == len(ranges)
    asked = sorted(f"bytes={start}-{start + length - 1}" for _, start, length in ranges)
    assert sorted(each["range"] for each in account.accepted) == asked
    assert {each["x-amz-security-token"] for each in account.accepted} == {"a token"}
    # boto3 gives each of its own requests a number.
    assert not any("amz-sdk-invocation-id" in each for each in account.accepted)
    # Threads that come first at the same time may each sign.
    assert len({each["authorization"] for each in account.accepted}) <= 2 * 8


def test_a_signature_is_not_used_for_longer_than_s3_takes_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert signed_gets.SIGNED_SECONDS < 15 * 60
    store = S3Store("runs", "some", policy=QUICK)
    store.size(KEYS[0])
    now = time.monotonic()
    monkeypatch.setattr(signed_gets, "time", SimpleNamespace(monotonic=lambda: now))
    dates = []
    for seconds in (0, signed_gets.SIGNED_SECONDS - 1, signed_gets.SIGNED_SECONDS + 2):
        now += seconds
        store.read(KEYS[0], 0, 10)
        dates.append(account.accepted[-1]["x-amz-date"])
        if len(dates) == 2:
            time.sleep(1.1)  # dates are whole seconds
    assert dates[0] == dates[1] < dates[2]


def test_changed_credentials_are_those_of_the_next_signature(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = S3Store("runs", "some", policy=QUICK)
    store.size(KEYS[0])
    data = account.objects[f"/runs/some/{KEYS[0]}"]
    assert store.read(KEYS[0], 0, 10) == data[:10]
    # As credentials that are renewed before they expire: the old ones are refused from now on.
    credentials = store._client()._request_signer._credentials
    account.secret = credentials.secret_key = "renewed"
    assert store.read(KEYS[0], 5, 10) == data[5:15]
    assert account.refused == 1
    monkeypatch.setattr(signed_gets, "PAUSE_SECONDS", 0)
    assert store.read(KEYS[0], 7, 10) == data[7:17]
    assert account.refused == 1


@pytest.mark.parametrize(
    "harm", ["503 SlowDown", "500 InternalError", "403 ExpiredToken", "hang", "cut download"]
)
def test_after_a_failure_boto3_reads_alone_for_a_while(
    store: S3Store, line: Behaviour, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    data = os.urandom(1000)
    store.write_bytes("file", data)
    assert store.read("file", 0, 1000) == data
    line.requests.clear()
    line.harm = worst(harm, "GET", 1)
    assert store.read("file", 5, 100) == data[5:105]
    assert line.requests == {"GET": 2}
    sent: list[int] = []
    events = store._client().meta.events
    events.register("request-created.s3.GetObject", lambda **_: sent.append(1))
    assert store.read("file", 6, 100) == data[6:106]
    assert line.requests == {"GET": 3} and len(sent) == 1
    later = time.monotonic() + signed_gets.PAUSE_SECONDS
    monkeypatch.setattr(signed_gets, "time", SimpleNamespace(monotonic=lambda: later))
    for _ in range(5):
        assert store.read("file", 7, 100) == data[7:107]
    assert line.requests == {"GET": 8} and len(sent) == 2  # one of them to be signed, not sent


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        ("403 AccessDenied", "access denied"),
        ("404 NoSuchBucket", "the bucket does not exist"),
        ("400 ExpiredToken", "the session token has expired"),
    ],
)
def test_what_is_refused_later_is_named_as_ever(
    store: S3Store, line: Behaviour, harm: str, what: str
) -> None:
    store.write_bytes("file", b"0123456789")
    assert store.read("file", 1, 2) == b"12"
    line.harm = worst(harm, "GET")
    with pytest.raises(UserError, match=what) as raised:
        store.read("file", 1, 2)
    assert "s3://runs/some/where at http://127.0.0.1" in raised.value.where


def test_an_object_that_is_gone_or_shorter_is_named_as_ever(store: S3Store) -> None:
    store.write_bytes("file", b"0123456789")
    store.write_bytes("other", b"0123456789")
    for key in ("file", "other"):
        assert store.read(key, 8, 2) == b"89"
    store.write_bytes("other", b"012345678")
    with pytest.raises(ValueError, match="ends at byte 9"):
        store.read("other", 8, 2)
    store.delete("file")
    with pytest.raises(FileNotFoundError, match="file"):
        store.read("file", 8, 2)


def test_ranges_keep_to_the_bandwidth(line: Behaviour) -> None:
    slept: list[float] = []
    store = S3Store("runs", "", RateLimiter(4 * MIB, lambda: 0.0, slept.append), QUICK)
    store.write_bytes("file", b"x" * MIB)
    for _ in range(2):
        assert store.read("file", 0, MIB) == b"x" * MIB
    assert slept == [0.25, 0.5]


def test_another_thread_sends_while_one_signs(
    store: S3Store, line: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_bytes("file", b"0123456789")
    gets = store._signed_gets[os.getpid()]
    arrived, leave = threading.Event(), threading.Event()

    def linger(**_: object) -> None:
        if not arrived.is_set():
            arrived.set()
            assert leave.wait(10)

    store._client().meta.events.register("request-created.s3.GetObject", linger)
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(gets.read, "runs", "some/where/file", 2, 3)
        assert arrived.wait(10)
        try:
            assert store.read_bytes("file") == b"0123456789"
        finally:
            leave.set()
        assert reading.result() == b"234"

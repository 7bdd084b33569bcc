"""Round trips to stores that work, are away, refuse, or show a wrong time."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from doctor_settings import settings
from flaky_server import Behaviour, flaky, worst
from s3_server import s3_server

from dvdgan.doctor import clock, dvc_project, stores
from dvdgan.doctor.check_process import findings_of
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding

MIB = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server("runs") as address:
        yield address


@pytest.fixture
def line(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behaviour]:
    """The way to the server, to be made worse; the bucket is empty, also afterwards."""
    empty(server)  # moto's servers of one process share their buckets
    with flaky(server) as (address, behaviour):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield behaviour
    empty(server)


def empty(server: str) -> None:
    for each in boto3.resource("s3", endpoint_url=server).Bucket("runs").objects.all():
        each.delete()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(server: str) -> list[str]:
    """All objects of the bucket."""
    return [
        each.key for each in boto3.resource("s3", endpoint_url=server).Bucket("runs").objects.all()
    ]


def put(server: str, **objects: bytes) -> None:
    for key, data in objects.items():
        boto3.client("s3", endpoint_url=server).put_object(Bucket="runs", Key=key, Body=data)


def backup(url: str = "s3://runs/backup") -> Finding:
    found, *others = findings_of("backup", stores.check_backup, settings(DVDGAN_BACKUP=url))
    assert not others, others
    return found


def test_what_is_not_set_is_not_used() -> None:
    for check in (stores.check_backup, stores.check_shards, clock.check):
        (found,) = check(settings())
        assert found.state == NOT_USED


def test_a_round_trip_leaves_nothing(server: str, line: Behaviour) -> None:
    found = backup()
    assert found.state == OK, found
    assert found.message.startswith("s3://runs/backup: written, listed, read, deleted; ")
    assert "B/s there" in found.message
    assert line.requests["PUT"] == 2
    assert line.sent_bytes >= 4 * MIB
    assert keys(server) == []


def test_a_folder_as_a_store(project: Path) -> None:
    found = backup(str(project / "share" / "backup"))
    assert (found.state, found.message.partition(":")[0]) == (OK, str(project / "share" / "backup"))
    assert list(project.iterdir()) == []


def test_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server("runs") as address:
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", address.replace("://", "://user:secret@"))
    found = backup()
    assert found.state == FAILS
    assert "start the server, or correct AWS_ENDPOINT_URL" in found.message
    assert "secret" not in str(found)


def test_a_bucket_that_does_not_exist(line: Behaviour) -> None:
    found = backup("s3://nowhere/backup")
    assert (found.state, "the bucket does not exist" in found.message) == (FAILS, True)
    assert found.todo.startswith("create it")


def test_an_object_that_may_not_be_deleted_is_named(server: str, line: Behaviour) -> None:
    line.harm = worst("403 AccessDenied", "DELETE")
    found = backup()
    (left,) = keys(server)
    assert found.state == FAILS
    assert f"cannot delete {left.removeprefix('backup/')}: access denied" in found.message
    assert found.message.endswith("it is left there")
    assert "s3:DeleteObject" in found.todo


def test_what_was_changed_on_its_way_fails(server: str, line: Behaviour) -> None:
    def flip(method: str, path: str) -> str | None:
        return "flip download" if method == "GET" and "list-type" not in path else None

    line.harm = flip
    found = backup()
    assert found.state == FAILS
    assert keys(server) == []


def test_a_server_that_hangs_is_given_up_and_nothing_is_left(server: str, line: Behaviour) -> None:
    def hang(method: str, path: str) -> str | None:
        # the second object: one was written before
        return "hang" if method == "PUT" and line.requests["PUT"] > 1 else None

    line.harm = hang
    began = time.monotonic()
    (found,) = findings_of(
        "backup", stores.check_backup, settings(seconds=2, DVDGAN_BACKUP="s3://runs/backup")
    )
    assert found.message == "the check did not end within 2 s and was stopped"
    assert time.monotonic() - began < 20
    assert keys(server) == []


def test_uploaded_shards_are_only_read(server: str, line: Behaviour, project: Path) -> None:
    own = settings(DVDGAN_SHARDS="s3://runs")
    index = json.dumps({"classes": ["a"], "shards": [{"name": "a.tar", "bytes": 2 * MIB}]})
    put(server, **{"index.json": index.encode(), "a.tar": os.urandom(2 * MIB)})
    (found,) = stores.check_shards(own)
    assert (found.state, "s3://runs: 1 shards, " in found.message) == (OK, True)
    assert not line.requests.keys() & {"PUT", "POST", "DELETE"}
    local = project / "artifacts" / "shards"
    local.mkdir(parents=True)
    (local / "index.json").write_text(index.replace("a.tar", "b.tar"))
    (other,) = stores.check_shards(own)
    assert (other.state, "are not those in artifacts/shards" in other.message) == (FAILS, True)


def test_the_place_of_shards_to_be_uploaded_is_written(server: str, line: Behaviour) -> None:
    (found,) = stores.check_shards(settings(DVDGAN_SHARDS="s3://runs/shards"))
    assert (found.state, "written, listed, read, deleted" in found.message) == (OK, True)
    assert keys(server) == []


def test_videos_in_a_folder_a_bucket_and_nowhere(
    server: str, line: Behaviour, project: Path
) -> None:
    (missing,) = stores.check_videos(settings(videos="data/videos"))
    assert (missing.state, "does not exist" in missing.message) == (WARNING, True)
    (project / "data" / "videos").mkdir(parents=True)
    (folder,) = stores.check_videos(settings(videos="data/videos"))
    assert (folder.state, folder.message) == (OK, "data/videos: a folder")
    (empty,) = stores.check_videos(settings(videos="s3://runs/videos"))
    assert (empty.state, "no files were found" in empty.message) == (FAILS, True)
    put(server, **{"videos/": b"", "videos/a.mp4": bytes(1000)})
    (bucket,) = stores.check_videos(settings(videos="s3://runs/videos"))
    assert (bucket.state, "B/s from it" in bucket.message) == (OK, True)


def test_a_clock_as_the_server_s(line: Behaviour) -> None:
    (found,) = clock.check(settings(DVDGAN_BACKUP="s3://runs/backup", DVDGAN_SHARDS="/share"))
    assert found.state == OK
    assert found.message.startswith("as that of s3://runs/backup")


@pytest.fixture
def wrong_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds by which a server's clock is ahead, to be set; it refuses every request."""
    ahead = [0.0]

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(403)
            self.send_header("Date", formatdate(time.time() + ahead[0], usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield ahead
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("ahead", "state", "words"),
    [
        (60, WARNING, " s behind that of s3://runs"),
        (-60, WARNING, " s ahead of that of s3://runs"),
        (3600, FAILS, "S3 refuses more than 15 minutes"),
    ],
)
def test_a_wrong_clock(
    server: str, wrong_clock: list[float], ahead: float, state: str, words: str
) -> None:
    wrong_clock[0] = ahead
    (found,) = clock.check(settings(DVDGAN_BACKUP="s3://runs"))
    assert (found.state, words in found.message) == (state, True), found
    shown = float(found.message.partition(" ")[0].replace(",", ""))
    assert abs(shown - abs(ahead)) <= 2
    assert "NTP" in found.todo


def dvc(*words: str) -> None:
    subprocess.run(["dvc", *words], check=True, capture_output=True)


def test_dvc_s_cache_and_remote(
    server: str, line: Behaviour, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere,) = dvc_project.check(settings())
    assert (nowhere.state, "not a DVC project" in nowhere.message) == (FAILS, True)
    dvc("init", "--no-scm", "--quiet")
    config = project / ".dvc" / "config"
    cache, none = dvc_project.check(settings())
    assert (cache.state, none.state) == (OK, NOT_USED)
    remote = "[cache]\n    type = hardlink\n['remote \"s\"']\n    url = s3://runs/dvc\n"
    config.write_text("[core]\n    no_scm = True\n" + remote)
    cache, unchosen = dvc_project.check(settings())
    assert "(hardlink)" in cache.message
    assert (unchosen.state, unchosen.todo) == (WARNING, "`dvc remote default s`")
    config.write_text("[core]\n    no_scm = True\n    remote = s\n" + remote)
    _, works = dvc_project.check(settings())
    assert (works.state, works.message) == (OK, "remote s, s3://runs/dvc: written, read, deleted")
    assert line.requests["PUT"] == 1
    assert keys(server) == []
    config.write_text(config.read_text().replace("s3://runs", "s3://nowhere"))
    _, missing = dvc_project.check(settings())
    assert (missing.state, "the bucket does not exist" in missing.message) == (FAILS, True)
    config.write_text(config.read_text().replace("s3://nowhere/dvc", str(project / "share")))
    _, local = dvc_project.check(settings())
    assert local.state == OK
    assert {path.name for path in project.iterdir()} <= {".dvc", ".dvcignore"}


def test_shards_that_dvc_would_copy_are_a_warning(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dvc("init", "--no-scm", "--quiet")
    (project / ".dvc" / "config").write_text(
        "[cache]\n    type = copy\n[core]\n    no_scm = True\n"
    )
    shards = project / "artifacts" / "shards"
    shards.mkdir(parents=True)
    (shards / "index.json").write_text(json.dumps({"shards": [{"bytes": 10**15}]}))
    cache, _ = dvc_project.check(settings())
    assert (cache.state, "1,000 TB" in cache.message) == (WARNING, True)
    assert "dvc config --local cache.type" in cache.todo

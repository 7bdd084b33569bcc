"""The scripts that keep one comment up to date, against servers that answer as the forges do."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
MARKER = "<!-- dvdgan review -->"
NOTES = "/projects/5/merge_requests/7/notes"


class GitLab(ThreadingHTTPServer):
    """The notes of one merge request; the token belongs to user 3."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), GitLabHandler)
        self.notes: list[dict[str, Any]] = []

    def add(self, author: int, body: str) -> None:
        note = {"id": 100 + len(self.notes), "author": {"id": author}, "body": body}
        self.notes.append(note)


class GitLabHandler(BaseHTTPRequestHandler):
    server: GitLab

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/user":
            return self.answer({"id": 3})
        assert path == NOTES
        size, page = (int(each) for each in re.findall(r"=(\d+)", query))
        return self.answer(self.server.notes[size * (page - 1) : size * page])

    def do_POST(self) -> None:
        assert self.path == NOTES
        self.server.add(3, self.content()["body"])
        self.answer({})

    def do_PUT(self) -> None:
        [note] = [each for each in self.server.notes if self.path == f"{NOTES}/{each['id']}"]
        note["body"] = self.content()["body"]
        self.answer({})

    def content(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, found: Any) -> None:
        assert self.headers["PRIVATE-TOKEN"] == "a-token"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    server = GitLab()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def comment(server: GitLab, file: Path, text: str) -> "subprocess.CompletedProcess[str]":
    file.write_text(text, encoding="utf-8")
    found = {
        "CI_API_V4_URL": f"http://127.0.0.1:{server.server_port}",
        "CI_PROJECT_ID": "5",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_JOB_URL": "https://forge/-/jobs/6",
        "REVIEW_TOKEN": "a-token",
    }
    command = [sys.executable, str(ROOT / "infra/gitlab/comment.py"), str(file)]
    return subprocess.run(command, env=os.environ | found, capture_output=True, text=True)


def test_gitlab_has_one_note_that_is_updated(gitlab: GitLab, tmp_path: Path) -> None:
    for number in range(120):  # more than a page
        gitlab.add(9, f"{MARKER} quoted by someone else, {number}")
    for text in ("first", "second"):
        done = comment(gitlab, tmp_path / "review.md", f"{MARKER}\n{text}")
        assert done.returncode == 0, done.stderr
        own = [note["body"] for note in gitlab.notes if note["author"]["id"] == 3]
        assert own == [f"{MARKER}\n{text}"]


def test_gitlab_shows_the_picture_of_the_job(gitlab: GitLab, tmp_path: Path) -> None:
    text = f"{MARKER}\n\n![Samples](review.gif)\n"
    assert comment(gitlab, tmp_path / "review.md", text).returncode == 0
    [note] = gitlab.notes
    picture = "https://forge/-/jobs/6/artifacts/raw/review.gif"
    assert note["body"] == f"{MARKER}\n\n![Samples]({picture})\n"


def test_gitlab_gets_nothing_else(gitlab: GitLab, tmp_path: Path) -> None:
    assert comment(gitlab, tmp_path / "review.md", "any text").returncode == 1
    assert gitlab.notes == []


# GitHub's client, as far as the script calls it: arguments in, calls out.
STUB = """
const run = {
  head_repository: {owner: {login: 'someone'}}, head_branch: 'change', head_sha: 'abc',
  html_url: 'https://forge/runs/6',
}
const context = {repo: {owner: 'us', repo: 'dvdgan'}, payload: {workflow_run: run}}
const [pulls, comments] = JSON.parse(process.env.FOUND)
const calls = []
const github = {
  paginate: async (list, given) => list(given),
  rest: {
    pulls: {list: (given) => given.head === 'someone:change' ? pulls : []},
    issues: {
      listComments: (given) => comments,
      updateComment: async (given) => calls.push(['update', given.comment_id, given.body]),
      createComment: async (given) => calls.push(['create', given.issue_number, given.body]),
    },
  },
}
const script = async () => { SCRIPT }
script().then(() => console.log(JSON.stringify(calls)))
"""


def github_calls(tmp_path: Path, text: str, comments: list[dict[str, Any]]) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    path = ROOT / ".github/workflows/pull_request_comment.yaml"
    steps = YAML(typ="safe").load(path.read_text("utf-8"))["jobs"]["comment"]["steps"]
    script = STUB.replace("SCRIPT", steps[-1]["with"]["script"])
    (tmp_path / "review.md").write_text(text, encoding="utf-8")
    pulls = [{"number": 4, "head": {"sha": "old"}}, {"number": 8, "head": {"sha": "abc"}}]
    found = {"REVIEW": str(tmp_path / "review.md"), "FOUND": json.dumps([pulls, comments])}
    done = subprocess.run(
        [node, "-e", script], env=os.environ | found, capture_output=True, text=True
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_github_has_one_comment_that_is_updated(tmp_path: Path) -> None:
    text = f"{MARKER}\nfirst"
    quoted = {"id": 1, "user": {"login": "someone"}, "body": text}
    assert github_calls(tmp_path, text, [quoted]) == [["create", 8, text]]
    own = {"id": 2, "user": {"login": "github-actions[bot]"}, "body": text}
    assert github_calls(tmp_path, f"{MARKER}\nsecond", [quoted, own]) == [
        ["update", 2, f"{MARKER}\nsecond"]
    ]
    [[_, _, linked]] = github_calls(tmp_path, f"{MARKER}\n\n![Samples](review.gif)\n", [])
    where = "in the artefact of [this run](https://forge/runs/6)"
    assert linked == f"{MARKER}\n\nSamples: review.gif {where}.\n"
    [[_, _, cut]] = github_calls(tmp_path, MARKER + "x" * 70_000, [])
    assert 60_000 < len(cut) < 65_536
    assert "this is no review" in github_calls(tmp_path, "any text", [])

"""Keep one note with the review in a GitLab merge request: infra/gitlab/comment.py review.md.

Reads what GitLab CI sets, and REVIEW_TOKEN, a project access token with the scope api.
"""

import json
import os
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

MARKER = "<!-- dvdgan review -->"
MOST = 900_000  # characters; a note has at most a million
PAGE = 100


def main(file: Path) -> None:
    """Replace the note that begins with MARKER, or add one. Raises HTTPError, ValueError."""
    text = file.read_text(encoding="utf-8")
    if not text.startswith(MARKER):
        raise ValueError(f"{file} is no review")
    api, project = os.environ["CI_API_V4_URL"], os.environ["CI_PROJECT_ID"]
    request = os.environ["CI_MERGE_REQUEST_IID"]
    notes = f"{api}/projects/{project}/merge_requests/{request}/notes"
    author = call("GET", f"{api}/user")["id"]
    old = find(notes, author)
    body = {"body": with_pictures_of_job(text)[:MOST]}
    if old is None:
        call("POST", notes, body)
    else:
        call("PUT", f"{notes}/{old}", body)


def with_pictures_of_job(text: str) -> str:
    """``text`` with pictures that are read from the artefacts of this job."""
    folder = f"{os.environ['CI_JOB_URL']}/artifacts/raw"
    return re.sub(r"^(!\[.*\])\((.*\.gif)\)$", rf"\1({folder}/\2)", text, flags=re.MULTILINE)


def find(notes: str, author: int) -> int | None:
    """The id of the note of ``author`` that begins with MARKER."""
    number = 1
    while found := call("GET", f"{notes}?per_page={PAGE}&page={number}"):
        for note in found:
            if note["author"]["id"] == author and note["body"].startswith(MARKER):
                return int(note["id"])
        number += 1
    return None


def call(method: str, url: str, content: dict[str, str] | None = None) -> Any:
    """The answer of GitLab's API."""
    data = None if content is None else json.dumps(content).encode()
    headers = {"PRIVATE-TOKEN": os.environ["REVIEW_TOKEN"], "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

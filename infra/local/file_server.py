"""Serves what Prefect's pages link to, on this machine alone: reports, sheets and ledgers.

    python infra/local/file_server.py FOLDER PORT [ADDRESS]

It listens on ADDRESS, 127.0.0.1; on 0.0.0.0 in a container, whose port is published on 127.0.0.1.

Of the work tree FOLDER it serves `artifacts` and the ledgers of runs, and the same of the copies in
`.runs/evaluate` and `.runs/retrain`: no code, no params, no other name that begins with a dot. It
refuses other host names than this machine's own, so that no web page from elsewhere can read along.
"""

import os
import re
import sys

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.staticfiles import StaticFiles

NAME = r"[^/.][^/]*"
SERVED = re.compile(
    rf"(\.runs/(evaluate|retrain)/{NAME}/)?(artifacts(/{NAME})*|\.runs/train/{NAME}/ledger\.jsonl)"
)


class LinkedFiles(StaticFiles):
    """Files that SERVED matches; links are followed only within the folder."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        return super().lookup_path(path) if SERVED.fullmatch(path) else ("", None)


def main() -> None:
    folder, port, *rest = sys.argv[1:]
    address = rest[0] if rest else "127.0.0.1"
    app = FastAPI(openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app.mount("/", LinkedFiles(directory=folder, html=True))
    uvicorn.run(app, host=address, port=int(port), log_level="warning")


if __name__ == "__main__":
    main()

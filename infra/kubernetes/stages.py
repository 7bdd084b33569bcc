"""Run stages in a work tree that is empty at first: python infra/kubernetes/stages.py STAGE ...

What a stage reads comes from DVC's remote at DVC_STORE (s3://BUCKET/PREFIX), what it writes goes
there, with dvc.lock next to it. A stage that is up to date is skipped. Shards are not copied: every
stage reads them from the store at DVDGAN_SHARDS, and DVC compares their index alone.

Exit codes: 2 if params.yaml or a variable is wrong, 75 after a signal, 1 if a stage failed.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from dvc.repo import Repo
from dvc.stage import Stage

from dvdgan.config import load_config
from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, UserError
from dvdgan.machine import Machine
from dvdgan.storage.open_store import open_store
from dvdgan.storage.store import StoreUnavailableError

LOCK = "dvc.lock"
SHARD_INDEX = Path("artifacts/shards/index.json")
IN_STORE = "shard"  # whose output no other stage needs on the disk
running: "subprocess.Popen[bytes] | None" = None
stopped = False


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    url = settings()
    store = open_store(url)
    if store.keys(LOCK):
        Path(LOCK).write_bytes(store.read_bytes(LOCK))
    dvc("remote", "add", "--local", "--force", "--default", "store", url)
    for name in sys.argv[1:]:
        with Repo() as repo:
            if not SHARD_INDEX.exists() and reads_shards(repo, name):
                run("dvdgan", "shard", "--fetch-index")
            if up_to_date(repo, name):
                print(f"stages: {name} is up to date", flush=True)
                continue
            if missing := inputs(repo, name):
                dvc("pull", *missing)
        run("dvdgan", name)
        dvc("commit", "--force", name)  # writes the stage to dvc.lock
        if name != IN_STORE:
            dvc("push", "--no-run-cache", name)
        store.write_bytes(LOCK, Path(LOCK).read_bytes())


def settings() -> str:
    """DVC_STORE. Raises UserError if params.yaml or a variable is wrong."""
    load_config(Path("params.yaml"))
    shards = Machine.load().stores.shards
    for name, url in (("DVC_STORE", os.environ.get("DVC_STORE")), ("DVDGAN_SHARDS", shards)):
        if not url:
            raise UserError(
                f"{name} is not set",
                where=f"the environment variable {name}",
                todo="set it to s3://BUCKET/PREFIX",
            )
    return os.environ["DVC_STORE"]


def the_stage(repo: Repo, name: str) -> Stage:
    [stage] = repo.stage.collect(name)
    return stage


def up_to_date(repo: Repo, name: str) -> bool:
    with repo.lock:
        return not the_stage(repo, name).changed(allow_missing=True, upstream=repo.index.stages)


def reads_shards(repo: Repo, name: str) -> bool:
    return any(Path(dep.fs_path) == SHARD_INDEX.absolute() for dep in the_stage(repo, name).deps)


def inputs(repo: Repo, name: str) -> list[str]:
    """The stages whose outputs this one reads, and that are not on the disk."""
    made = {out.fs_path: stage for stage in repo.index.stages for out in stage.outs}
    found = [made[dep.fs_path] for dep in the_stage(repo, name).deps if dep.fs_path in made]
    return [
        stage.name for stage in dict.fromkeys(found) if not all(out.exists for out in stage.outs)
    ]


def dvc(*words: str) -> None:
    run("dvc", "--quiet", *words)


def run(*words: str) -> None:
    """Run a command, which gets the signals of this process. Raises SystemExit if it fails."""
    global running
    running = subprocess.Popen(words)
    code = running.wait()
    running = None
    if code == EXIT_INTERRUPTED or stopped:
        sys.exit(EXIT_INTERRUPTED)
    if code != 0:
        print(f"stages: `{' '.join(words)}` ended with exit code {code}", file=sys.stderr)
        sys.exit(1)


def stop(number: int, frame: FrameType | None) -> None:
    global stopped
    stopped = True
    if running is None:
        sys.exit(EXIT_INTERRUPTED)
    running.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    except StoreUnavailableError as error:
        print(f"stages: {error}", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)

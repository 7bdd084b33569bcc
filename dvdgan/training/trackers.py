"""The run shown elsewhere, where asked for: TensorBoard, DVCLive, W&B. The one door to them.

The run folder's own files hold all of it without them. Each tracker works in a thread of its own,
so that no step waits for a disk or a network; one that fails is said once and dropped.
"""

import os
import struct
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import Any, Protocol

from dvdgan.errors import UserError, redacted
from dvdgan.storage.local import write_bytes

FLUSH_SECONDS = 10.0
# So many steps may wait for a tracker; one that falls farther behind is dropped.
MOST_WAITING = 10_000
CLOSE_SECONDS = 60.0

Scalars = dict[str, float]
Sheet = dict[str, bytes]


class Tracker(Protocol):
    """Something a run can be shown in. Its methods may raise anything."""

    def scalars(self, step: int, values: Scalars) -> None:
        """Numbers of one step; a name's part before its first slash is its group."""

    def sheet(self, step: int, sheet: Sheet) -> None:
        """A sample sheet: suffix (.png, .mp4) -> the file's content."""

    def close(self) -> None:
        """Write what is not yet written."""


class TensorBoard:
    """Event files; TensorBoard itself forgets what a purge step overrules. Shows no mp4."""

    def __init__(self, folder: Path, run: str, finished_steps: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(
            str(folder),
            purge_step=finished_steps + 1,
            max_queue=MOST_WAITING,
            flush_secs=int(FLUSH_SECONDS),
        )

    def scalars(self, step: int, values: Scalars) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

        entries = [Summary.Value(tag=name, simple_value=each) for name, each in values.items()]
        self._writer.file_writer.add_summary(Summary(value=entries), step)

    def sheet(self, step: int, sheet: Sheet) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        width, height = struct.unpack(">II", sheet[".png"][16:24])
        image = Summary.Image(
            width=width, height=height, colorspace=3, encoded_image_string=sheet[".png"]
        )
        entry = Summary.Value(tag="samples", image=image)
        self._writer.file_writer.add_summary(Summary(value=[entry]), step)

    def close(self) -> None:
        self._writer.close()


class DvcLive:
    """A folder of tables and images that `dvc plots` and the editor's extension show.

    Makes no experiment and no dvc.yaml: this project's pipeline has its own. Shows no mp4.
    """

    def __init__(self, folder: Path, run: str, finished_steps: int) -> None:
        import dvclive

        for table in (folder / "plots" / "metrics").rglob("*.tsv"):
            _cut_table(table, finished_steps)
        # It would go on from the step in there, which may be later or half written.
        (folder / "metrics.json").unlink(missing_ok=True)
        self._folder = folder
        live: Any = dvclive  # half typed
        self._live = live.Live(str(folder), resume=True, save_dvc_exp=False, dvcyaml=None)
        self._last_flush = time.monotonic()

    def scalars(self, step: int, values: Scalars) -> None:
        self._live.step = step
        for name, value in values.items():
            self._live.log_metric(name, value)
        if time.monotonic() - self._last_flush >= FLUSH_SECONDS:
            self._live.sync()
            self._last_flush = time.monotonic()

    def sheet(self, step: int, sheet: Sheet) -> None:
        self._live.step = step
        picture = _write(self._folder / "sheet.png", sheet[".png"])
        self._live.log_image(f"samples/{step}.png", str(picture))

    def close(self) -> None:
        self._live.end()


class WeightsAndBiases:
    """A run of the project `dvdgan` (or WANDB_PROJECT), named like the run folder.

    A resumed run goes on; W&B itself ignores steps that it has already.
    """

    def __init__(self, folder: Path, run: str, finished_steps: int) -> None:
        import wandb  # type: ignore[import-not-found,unused-ignore]

        self._wandb, self._folder = wandb, folder
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "dvdgan"),
            id=run,
            name=run,
            dir=str(folder),
            resume="allow",
            settings={"console": "off", "silent": True},
        )

    def scalars(self, step: int, values: Scalars) -> None:
        self._run.log(values, step=step)

    def sheet(self, step: int, sheet: Sheet) -> None:
        paths = {
            suffix: str(_write(self._folder / f"sheet{suffix}", content))
            for suffix, content in sheet.items()
        }
        shown = {"samples": self._wandb.Image(paths[".png"])}
        if ".mp4" in paths:
            shown["video"] = self._wandb.Video(paths[".mp4"], format="mp4")
        self._run.log(shown, step=step)

    def close(self) -> None:
        self._run.finish()


# Name -> the tracker, and the package that must be installed.
KNOWN: dict[str, tuple[Callable[[Path, str, int], Tracker], str]] = {
    "dvclive": (DvcLive, "dvclive"),
    "tensorboard": (TensorBoard, "tensorboard"),
    "wandb": (WeightsAndBiases, "wandb"),
}


class Trackers:
    """All trackers that were asked for; none by default. Nothing here waits or raises."""

    def __init__(self, members: Sequence["_Beside"] = ()) -> None:
        self._members = members

    @classmethod
    def open(cls, names: Sequence[str], folder: Path, run: str, finished_steps: int) -> "Trackers":
        """Begin or resume ``names`` below ``folder``; steps later than ``finished_steps`` are
        redone, so what is shown of them is forgotten. ``run``: the name to show it by.

        Raises UserError for an unknown name or a package that is not installed.
        """
        for name in names:
            if name not in KNOWN:
                raise UserError(
                    f"there is no tracker {name!r}",
                    where="DVDGAN_TRACKERS",
                    todo=f"choose from {', '.join(KNOWN)}, separated by commas",
                )
            package = KNOWN[name][1]
            if find_spec(package) is None:
                raise UserError(
                    f"the tracker {name} was asked for, but {package} is not installed",
                    where="DVDGAN_TRACKERS",
                    todo=f"pip install {package}, or take {name} off the list",
                )
        return cls(
            [
                _Beside(name, partial(_begin, name, folder / name, run, finished_steps))
                for name in dict.fromkeys(names)
            ]
        )

    def scalars(self, step: int, values: Scalars) -> None:
        """Show numbers of one step."""
        for member in self._members:
            member.do(lambda tracker: tracker.scalars(step, values))

    def sheet(self, step: int, sheet: Sheet) -> None:
        """Show a sample sheet: suffix -> the file's content."""
        for member in self._members:
            member.do(lambda tracker: tracker.sheet(step, sheet))

    def close(self) -> None:
        """Wait, a minute at the most, until all is shown."""
        for member in self._members:
            member.close()


class _Beside:
    """One tracker in a thread of its own, in order."""

    def __init__(self, name: str, begin: Callable[[], Tracker]) -> None:
        self._name, self._begin = name, begin
        self._jobs: Queue[Callable[[Tracker], None] | None] = Queue(MOST_WAITING)
        self._dropped = False
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def do(self, job: Callable[[Tracker], None] | None) -> None:
        """Have ``job`` done; None: close."""
        if self._dropped:
            return
        try:
            self._jobs.put_nowait(job)
        except Full:
            self._drop(f"it is {MOST_WAITING:,} steps behind")

    def close(self) -> None:
        self.do(None)
        if not self._dropped:
            self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            self._drop(f"it did not end in {CLOSE_SECONDS:.0f} s")

    def _work(self) -> None:
        try:
            tracker = self._begin()
            while (job := self._jobs.get()) is not None:
                job(tracker)
            tracker.close()
        except Exception as error:  # it may raise anything, and must not end the run
            self._drop(f"{type(error).__name__}: {error}")

    def _drop(self, why: str) -> None:
        if not self._dropped:
            self._dropped = True
            line = redacted(f"train: {self._name} is left out from here on: {why}")
            print(line, file=sys.stderr, flush=True)


def _begin(name: str, folder: Path, run: str, finished_steps: int) -> Tracker:
    folder.mkdir(parents=True, exist_ok=True)
    return KNOWN[name][0](folder, run, finished_steps)


def _cut_table(table: Path, finished_steps: int) -> None:
    """Keep the heading and the rows up to ``finished_steps``."""
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]  # a crash may cut the last one
    kept = [row for row in whole[1:] if int(row.partition("\t")[0]) <= finished_steps]
    write_bytes(table, "".join([*whole[:1], *kept]).encode())


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path

"""Experiment trackers in addition to the run folder's files: TensorBoard, DVCLive, W&B.

Each works in a thread of its own, so that no step waits for a disk or a network. A tracker that
fails is reported once and dropped.
"""

import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import Any

from accelerate.tracking import DVCLiveTracker, TensorBoardTracker, WandBTracker

from dvdgan.errors import UserError, redacted
from dvdgan.machine.keys import KEYS
from dvdgan.storage.local import write_bytes
from dvdgan.video.image import decode_png

# So many calls may wait for a tracker; one that falls farther behind is dropped.
MOST_WAITING = 10_000
CLOSE_SECONDS = 60.0
FINISH = ("finish",)


class TensorBoard(TensorBoardTracker):  # type: ignore[misc]
    """Event files. TensorBoard itself hides the steps that a later purge step overrules."""

    def __init__(self, folder: Path, run: str, finished_steps: int) -> None:
        super().__init__("", folder, purge_step=finished_steps + 1)

    def log_samples(self, files: dict[str, bytes], step: int) -> None:
        image = decode_png(files[".png"])
        self.log_images({"samples": image[None]}, step=step, dataformats="NHWC")


class DVCLive(DVCLiveTracker):  # type: ignore[misc]
    """Tables and images that `dvc plots` and the editor's extension show; no DVC experiment."""

    def __init__(self, folder: Path, run: str, finished_steps: int) -> None:
        for table in (folder / "plots" / "metrics").rglob("*.tsv"):
            _truncate_table(table, finished_steps)
        # Live would continue from the step in it, which may be later or half written.
        (folder / "metrics.json").unlink(missing_ok=True)
        super().__init__(dir=str(folder), resume=True, save_dvc_exp=False, dvcyaml=None)

    def log(self, values: dict[str, float], step: int) -> None:
        # accelerate's log calls next_step, which writes below the project's .dvc/tmp.
        self.live.step = step
        for name, value in values.items():
            self.live.log_metric(name, value)
        self.live.make_summary()

    def log_samples(self, files: dict[str, bytes], step: int) -> None:
        self.live.log_image(f"samples/{step}.png", decode_png(files[".png"]))


class WandB(WandBTracker):  # type: ignore[misc]
    """A run of the project `dvdgan` (or WANDB_PROJECT) with the run folder's name as its id.

    A resumed run continues; W&B itself ignores steps that it has already.
    """

    def __init__(self, folder: Path, run: str, finished_steps: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(
            os.environ.get("WANDB_PROJECT", "dvdgan"),
            id=run,
            name=run,
            dir=str(folder),
            resume="allow",
            settings={"console": "off", "silent": True},
        )

    def log_samples(self, files: dict[str, bytes], step: int) -> None:
        import wandb  # type: ignore[import-not-found,unused-ignore]

        self.log_images({"samples": [decode_png(files[".png"])]}, step=step)
        if ".mp4" in files:
            self.log({"video": wandb.Video(io.BytesIO(files[".mp4"]), format="mp4")}, step=step)


# By the name of the package that must be installed.
KNOWN: dict[str, Callable[[Path, str, int], Any]] = {
    "dvclive": DVCLive,
    "tensorboard": TensorBoard,
    "wandb": WandB,
}


class Trackers:
    """The trackers of a run; none by default. Nothing here waits or raises."""

    def __init__(self, members: Sequence["_TrackerThread"] = ()) -> None:
        self._members = members

    @classmethod
    def open(cls, names: Sequence[str], folder: Path, run: str, finished_steps: int) -> "Trackers":
        """Start or resume ``names``, of KNOWN, below ``folder``, for the run named ``run``.

        Steps later than ``finished_steps`` are removed. Raises UserError for a package that is not
        installed.
        """
        for name in names:
            if find_spec(name) is None:
                raise UserError(
                    f"the tracker {name} is requested, but {name} is not installed",
                    where=KEYS["trackers"].place,
                    todo=f"run `pip install {name}`, or remove {name} from the list",
                )
        return cls([_TrackerThread(each, folder / each, run, finished_steps) for each in names])

    def log_metrics(self, values: dict[str, float], step: int) -> None:
        """Log numbers of one step; a name's part before its first slash is its group."""
        for member in self._members:
            member.put("log", values, step)

    def log_samples(self, files: dict[str, bytes], step: int) -> None:
        """Log a sample sheet: suffix (.png, .mp4) -> the file's content. W&B alone has videos."""
        for member in self._members:
            member.put("log_samples", files, step)

    def close(self) -> None:
        """Wait, a minute at most, until all is logged."""
        for member in self._members:
            member.close()


class _TrackerThread(Thread):
    """One tracker, its calls in order. A daemon: a tracker that hangs must not hold the process."""

    def __init__(self, name: str, *given: Any) -> None:
        super().__init__(name=name, daemon=True)
        self._given = given
        self._calls: Queue[tuple[Any, ...]] = Queue(MOST_WAITING)
        self._dropped = False
        self.start()

    def put(self, *call: Any) -> None:
        """Have a method of the tracker called: its name, then its arguments."""
        if not self._dropped:
            try:
                self._calls.put_nowait(call)
            except Full:
                self._drop(f"it is {MOST_WAITING:,} steps behind")

    def close(self) -> None:
        self.put(*FINISH)
        self.join(0 if self._dropped else CLOSE_SECONDS)
        if self.is_alive():
            self._drop(f"it did not end within {CLOSE_SECONDS:.0f} s")

    def run(self) -> None:
        try:
            tracker = KNOWN[self.name](*self._given)
            tracker.start()
            for method, *arguments in iter(self._calls.get, FINISH):
                getattr(tracker, method)(*arguments)
            tracker.finish()
        except Exception as error:  # it may raise anything, and must not end the run
            self._drop(f"{type(error).__name__}: {error}")

    def _drop(self, why: str) -> None:
        if not self._dropped:
            self._dropped = True
            line = redacted(f"train: {self.name} is disabled from now on: {why}")
            print(line, file=sys.stderr, flush=True)


def _truncate_table(table: Path, finished_steps: int) -> None:
    """Keep the heading and the rows up to ``finished_steps``."""
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]  # a crash may cut the last one
    kept = [row for row in whole[1:] if int(row.partition("\t")[0]) <= finished_steps]
    write_bytes(table, "".join([*whole[:1], *kept]).encode())

"""Features of several sets of clips, extracted by one process or by those of DVDGAN_LAUNCHER."""

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.device import device
from dvdgan.evaluation.feature_cache import ClipReader, FeatureCache
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.guard.launched_processes import LaunchedProcesses
from dvdgan.machine import NO_LAUNCHER, Machine
from dvdgan.progress import Progress

# Set in the processes that a command launches: they extract their share, and end.
SHARE = "DVDGAN_EXTRACTION_SHARE"

POLL_SECONDS = 0.5
# From SIGTERM to SIGKILL. There is nothing to save: what a process was extracting is done again.
GRACE_SECONDS = 20.0
LOG = "launcher.log"


class Extraction:
    """Extracts features of the sets that are added to it; they are cached until `end`.

    With DVDGAN_LAUNCHER, `run` starts ``command`` (the words after `dvdgan`) by that launcher.
    These processes do what this one did up to `run`, share the parts of all caches among them, and
    end; this process then reads the parts. Without ``command`` it extracts all of them itself.
    """

    def __init__(self, root: Path, label: str, command: Sequence[str] = ()) -> None:
        """``root``: folder of the caches. ``label``: what is measured, on the progress line.

        Raises UserError if a launcher has started the command itself.
        """
        self._root, self._label, self._command = root, label, command
        self._caches: list[tuple[str, FeatureCache]] = []
        self._rank, self._world, local = (
            int(os.environ.get(name, alone))
            for name, alone in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
        )
        self._has_share = SHARE in os.environ
        if not self._has_share and self._world > 1 and "LOCAL_RANK" in os.environ:
            raise UserError(
                f"a launcher has started this command {self._world} times, and each would do all "
                "of the work",
                todo="start it once, with the launcher in the environment: "
                'DVDGAN_LAUNCHER="torchrun --standalone --nproc-per-node 8 -m"',
            )
        self.device = device()
        if self.device == "cuda" and self._has_share:
            self.device = f"cuda:{local % torch.cuda.device_count()}"

    def add(
        self, name: str, network: FeatureNetwork, clips: ClipReader, most_refused: int = 0
    ) -> FeatureCache:
        """The cache of features of ``clips`` by ``network``, to be filled by `run`.

        ``name`` stands on the progress line. Up to ``most_refused`` indices may give no clip.
        """
        cache = FeatureCache(network, clips, self._root, most_refused)
        self._caches.append((name, cache))
        return cache

    def run(self) -> bool:
        """Extract what is missing; False in a process that has done its share and has to end.

        Raises UserError for a clip that cannot be read, and if the launcher or one of its processes
        fails; all of them have ended then, and finished parts are kept.
        """
        if self._has_share:
            self._extract_share()
            return False
        launcher = Machine.load().launch.launcher
        # A GPU that is chosen by number is used alone.
        alone = launcher == NO_LAUNCHER or ":" in self.device or not self._command
        if not alone and any(cache.done < len(cache.source) for _, cache in self._caches):
            self._launch(launcher)
        for name, cache in self._caches:  # reads all parts, and repairs damaged ones
            if alone or cache.done < len(cache.source):
                cache.extract(f"{self._label}: {name}")
            else:
                cache.extract_parts(cache.numbers)
        return True

    def end(self) -> None:
        """Delete the caches, once the results are saved."""
        for cache in {cache.folder: cache for _, cache in self._caches}.values():
            cache.remove()

    def _extract_share(self) -> None:
        """Parts rank, rank + world, ... of all, so that small sets do not leave processes idle."""
        first = 0
        for _, cache in self._caches:
            numbers = cache.numbers
            cache.extract_parts(numbers[(self._rank - first) % self._world :: self._world])
            first += len(numbers)

    def _launch(self, launcher: Sequence[str]) -> None:
        log = self._root / LOG
        total = sum(len(cache.source) for _, cache in self._caches)
        start = sum(cache.done for _, cache in self._caches)
        words = [*launcher, "dvdgan", *self._command]
        with (
            log.open("wb") as output,
            Progress(f"{self._label}, by DVDGAN_LAUNCHER", total, "clips", start) as progress,
        ):
            processes = LaunchedProcesses(words, {SHARE: "1"}, output.fileno())
            try:
                while processes.poll() is None:
                    time.sleep(POLL_SECONDS)
                    progress.advance(sum(cache.done for _, cache in self._caches) - progress.done)
            finally:
                code = processes.stop(GRACE_SECONDS)
        if code != 0:
            raise UserError(
                f"the processes of DVDGAN_LAUNCHER have failed (exit code {code})"
                f"{_reason(log.read_text('utf-8', 'replace'))}",
                where=str(log),
                todo="read this file; the same command resumes with the parts that are finished",
            )
        log.unlink()


def _reason(log: str) -> str:
    """The first message of a command in ``log``, to be appended to another; empty without one."""
    found = re.search(r"^(?:error|interrupted): (.+)(?:\n {2}where: (.+))?", log, re.MULTILINE)
    return f": {found[1]}" + (f" ({found[2]})" if found[2] else "") if found else ""

"""A cache of features on disk, in parts: several processes extract them, and a restart resumes.

Processes do not communicate: each extracts its own parts, and the first process joins the parts in
the folder. A part does not depend on the process that extracts it, so the result has the same bits
for any number of processes on one kind of device with the same number of CPU threads.
"""

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.features import BATCH_SIZE, ClipFeatures, clip_statistics
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.progress import Progress
from dvdgan.provenance.lock import fingerprint_of
from dvdgan.provenance.modules import code_behind
from dvdgan.storage.local import atomic_file, write_json
from dvdgan.storage.tensors import save_tensors

# Clips in a part: a whole number of batches, and the most that a killed process loses.
PART = 16 * BATCH_SIZE

# How long the first process waits for the others before it removes the cache.
LEAVING_SECONDS = 60.0

# The code that affects features, with all that it imports: it reads, changes, or measures clips.
CODE = (
    *("evaluation/features.py", "evaluation/networks/feature_network.py"),
    *("data/random_clips.py", "data/sources/derived_clips.py", "data/sources/opening.py"),
)


class ReadClips(Protocol):
    """Clips at some indices of a ClipReader."""

    @property
    def clips(self) -> Tensor:
        """(N, T, 3, H, W) uint8."""

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""

    @property
    def refused(self) -> list[str]:
        """Which indices gave no clip, and why."""


class ClipReader(Protocol):
    """Reads clips by index; equal indices give equal clips."""

    def __len__(self) -> int: ...
    def read(self, start: int, stop: int) -> ReadClips: ...
    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class ExtractedPart:
    """Features of clips in order, and which indices gave none, and why."""

    features: ClipFeatures | None
    """None if no index gave a clip."""
    refused: list[str]

    def save(self, path: Path) -> None:
        """Write one safetensors file with a sha256 of its contents in the header."""
        tensors = {}
        if self.features is not None:
            for field in fields(ClipFeatures):
                tensors[field.name] = getattr(self.features, field.name).contiguous()
        refused = json.dumps(self.refused)
        header = {"refused": refused, "sha256": _digest(tensors, refused)}
        with atomic_file(path) as aside:
            save_tensors(tensors, aside, header)

    @classmethod
    def load(cls, path: Path) -> "ExtractedPart | None":
        """Read a file written by `save`; None if it is damaged."""
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            refused = header["refused"]
            if _digest(tensors, refused) != header["sha256"]:
                return None
            return cls(ClipFeatures(**tensors) if tensors else None, json.loads(refused))
        except (OSError, SafetensorError, KeyError, RuntimeError, TypeError, ValueError):
            return None


class FeatureCache:
    """The features of ``source`` by ``network``, below ``root``/<fingerprint>.

    The fingerprint covers all that affects them: the clips' own fingerprint, the network's weights,
    the code, the resize rule, the kind of device. Up to ``most_refused`` indices may give no clip.
    """

    def __init__(
        self, network: FeatureNetwork, source: ClipReader, root: Path, most_refused: int = 0
    ) -> None:
        self.network, self.source, self.most_refused = network, source, most_refused
        description = {
            "source": source.fingerprint(),
            "network": network.name,
            "weights_sha256": network.weights_sha256,
            "resize": network.resize,
            "code": fingerprint_of(code_behind(*CODE)),
            "torch": torch.__version__,
            "device": next(network.network.parameters()).device.type,
            "part": PART,
            "batch": BATCH_SIZE,
        }
        text = json.dumps(description, sort_keys=True)
        self.folder = root / hashlib.sha256(text.encode()).hexdigest()[:16]
        write_json(self.folder / "description.json", description)
        self._parts = range(-(-len(source) // PART))
        self._refused: dict[int, list[str]] = {}

    def extract(self, label: str, rank: int = 0, world: int = 1) -> None:
        """Extract the missing ones of the parts rank, rank + world, ... of process ``rank``.

        Damaged parts are extracted again. Raises UserError once more than ``most_refused`` indices
        have given no clip.
        """
        mine = self._parts[rank::world]
        missing = [part for part in mine if self._load(part) is None]
        total, left = (sum(len(self._indices(part)) for part in parts) for parts in (mine, missing))
        with Progress(label, total, "clips", start=total - left) as progress:
            self._make(missing, progress)

    def finish(self, label: str) -> list[str]:
        """Extract every part that is still missing, in the first process; returns all refusals.

        It takes over the parts of other processes, from the last one on since they start at the
        first, and so does not wait for a dead process.
        """
        late = [part for part in reversed(self._parts) if self._load(part) is None]
        if late:
            with Progress(f"{label}: parts of other processes", len(late), "parts") as progress:
                for part in late:
                    self._make([part], None)
                    self._load(part)  # records the refusals of another process
                    progress.advance()
        return self._refusals

    def complete(self, label: str) -> tuple[ClipFeatures, list[str]]:
        """`finish`, then features of all clips in order, and all refusals; in the first process.

        Raises UserError if there is no clip.
        """
        self.finish(label)
        parts = [self._load(part) for part in self._parts]
        assert None not in parts, "a part was deleted after it was extracted"
        found = [part.features for part in parts if part is not None and part.features is not None]
        if not found:
            raise UserError("there is no clip to measure", where="; ".join(self._refusals[:3]))
        return ClipFeatures.join(found), self._refusals

    def parts(self, label: str) -> Iterator[ClipFeatures]:
        """`finish`, then features one part at a time, in order; in the first process."""
        self.finish(label)
        for part in self._parts:
            found = self._load(part)
            assert found is not None, f"part {part} was deleted after it was extracted"
            if found.features is not None:
                yield found.features

    def leave(self, rank: int) -> None:
        """Record that process ``rank`` no longer needs the folder."""
        write_json(self.folder / f"left-{rank}.json", {})

    def remove(self, world: int = 1, seconds: float = LEAVING_SECONDS) -> bool:
        """Delete the folder; returns whether that was possible.

        It waits for the other processes to `leave`. If one does not within ``seconds``, it may be
        dead or still working, and the folder is kept.
        """
        left = [self.folder / f"left-{rank}.json" for rank in range(1, world)]
        deadline = time.monotonic() + seconds
        while not all(path.exists() for path in left):
            if time.monotonic() > deadline:
                print(f"{self.folder} is kept: another process has not ended", file=sys.stderr)
                return False
            time.sleep(0.1)
        shutil.rmtree(self.folder)
        return True

    def _make(self, parts: list[int], progress: Progress | None) -> None:
        """Extract ``parts``; without ``progress``, stop where another process has extracted one."""
        rows: list[ClipFeatures] = []
        refused: list[str] = []
        for part, read, ends in self._batches(parts):
            if self._path(part).is_file():  # another process was faster
                if progress is None:
                    return
                rows, refused = [], []
                continue
            if len(read.clips):
                measured = *self.network(read.clips), read.labels, *clip_statistics(read.clips)
                rows.append(ClipFeatures(*measured))
            refused += read.refused
            self._record(part, refused)
            if progress is not None:
                progress.advance(len(read.clips) + len(read.refused))
            if ends:
                features = ClipFeatures.join(rows) if rows else None
                ExtractedPart(features, refused).save(self._path(part))
                rows, refused = [], []

    def _batches(self, parts: list[int]) -> Iterator[tuple[int, ReadClips, bool]]:
        """Part, clips, and whether they are its last; the next clips are read in a thread."""
        spans = [
            (part, start, min(start + BATCH_SIZE, self._indices(part).stop))
            for part in parts
            for start in self._indices(part)[::BATCH_SIZE]
        ]
        with ThreadPoolExecutor(1) as reader:
            coming = [reader.submit(self.source.read, *span[1:]) for span in spans[:1]]
            for number, (part, _, stop) in enumerate(spans):
                read = coming.pop().result()
                if number + 1 < len(spans):
                    coming.append(reader.submit(self.source.read, *spans[number + 1][1:]))
                yield part, read, stop == self._indices(part).stop

    def _indices(self, part: int) -> range:
        return range(part * PART, min((part + 1) * PART, len(self.source)))

    def _path(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.safetensors"

    def _load(self, part: int) -> ExtractedPart | None:
        path = self._path(part)
        if not path.is_file():
            return None
        found = ExtractedPart.load(path)
        if found is None:
            print(f"{path} is damaged and is extracted again", file=sys.stderr)
            path.unlink(missing_ok=True)
            return None
        self._record(part, found.refused)
        return found

    @property
    def _refusals(self) -> list[str]:
        return [line for part in sorted(self._refused) for line in self._refused[part]]

    def _record(self, part: int, refused: list[str]) -> None:
        self._refused[part] = refused
        lines = self._refusals
        if len(lines) > self.most_refused:
            raise UserError(
                f"{len(lines)} of {len(self.source)} videos could not be used so far, and "
                f"{self.most_refused or 'none'} may be left out",
                where="\n         ".join(lines[-5:]),
                todo="repair or remove them, or raise --max-refused",
            )


def _digest(tensors: dict[str, Tensor], refused: str) -> str:
    digest = hashlib.sha256(refused.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def remove_caches(caches: Iterable[FeatureCache], rank: int, world: int) -> None:
    """Remove ``caches`` in the first process, once the others have left; `leave` in another."""
    seconds = LEAVING_SECONDS
    for cache in caches:
        if rank:
            cache.leave(rank)
        elif not cache.remove(world, seconds):
            seconds = 0.0  # the wait is over for the other caches too

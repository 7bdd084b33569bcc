"""Features of a source of clips, in parts on disk: many processes share them, a restart resumes.

No process talks to another: each extracts parts of its own, and the first one joins what lies in
the folder. A part is the same whoever extracts it, so the result has the same bits for any number
of processes on one kind of device, each with the same number of CPU threads.
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

# Places in a part: a whole number of batches, and the most that a killed process loses.
PART = 16 * BATCH_SIZE

# How long the first process waits for the others before it removes what they shared.
LEAVING_SECONDS = 60.0

# With what they import, the code that can move a feature: it reads, changes, or measures clips.
CODE = (
    *("evaluation/features.py", "evaluation/networks/feature_network.py"),
    *("data/random_clips.py", "data/sources/derived_clips.py", "data/sources/opening.py"),
)


class Read(Protocol):
    """What stands at some places of a source."""

    @property
    def clips(self) -> Tensor:
        """(N, T, 3, H, W) uint8."""

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""

    @property
    def refused(self) -> list[str]:
        """Places that gave no clip: which, and why."""


class ClipReader(Protocol):
    """Clips by place, always the same ones."""

    def __len__(self) -> int: ...
    def read(self, start: int, stop: int) -> Read: ...
    def fingerprint(self) -> str: ...


@dataclass(frozen=True)
class Extracted:
    """Features of clips in their order, and which places gave none, and why."""

    features: ClipFeatures | None
    """None where every place was refused."""
    refused: list[str]

    def save(self, path: Path) -> None:
        """Write one safetensors file whose header holds a sha256 of what it says."""
        tensors = {}
        if self.features is not None:
            for field in fields(ClipFeatures):
                tensors[field.name] = getattr(self.features, field.name).contiguous()
        refused = json.dumps(self.refused)
        header = {"refused": refused, "sha256": _digest(tensors, refused)}
        with atomic_file(path) as aside:
            save_tensors(tensors, aside, header)

    @classmethod
    def load(cls, path: Path) -> "Extracted | None":
        """Read what save wrote; None where it is damaged."""
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return None
        refused = header["refused"]
        if _digest(tensors, refused) != header["sha256"]:
            return None
        return cls(ClipFeatures(**tensors) if tensors else None, json.loads(refused))


class FeatureCache:
    """The features of ``source`` by ``network``, below ``root``/<fingerprint>.

    The fingerprint is of all that moves them: the source's own, the network's weights and code, the
    resize rule, the kind of device. ``most_refused`` places may give no clip.
    """

    def __init__(
        self, network: FeatureNetwork, source: ClipReader, root: Path, most_refused: int = 0
    ) -> None:
        self.network, self.source, self.most_refused = network, source, most_refused
        described = {
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
        text = json.dumps(described, sort_keys=True)
        self.folder = root / hashlib.sha256(text.encode()).hexdigest()[:16]
        write_json(self.folder / "description.json", described)
        self._parts = range(-(-len(source) // PART))
        self._refused: dict[int, list[str]] = {}

    def extract(self, label: str, rank: int = 0, world: int = 1) -> None:
        """As process ``rank`` of ``world``: extract parts rank, rank + world, ... that are missing.

        Damaged parts are made again. Raises UserError once more than ``most_refused`` places have
        given no clip.
        """
        mine = self._parts[rank::world]
        missing = [part for part in mine if self._load(part) is None]
        total, left = (sum(len(self._places(part)) for part in parts) for parts in (mine, missing))
        with Progress(label, total, "clips", start=total - left) as progress:
            self._make(missing, progress)

    def finish(self, label: str) -> list[str]:
        """All refusals, once every part is there: for the first process.

        Takes over what other processes have not delivered yet, from the end since they come from
        the front, so that nothing waits for a dead one.
        """
        late = [part for part in reversed(self._parts) if self._load(part) is None]
        if late:
            with Progress(f"{label}: parts of other processes", len(late), "parts") as progress:
                for part in late:
                    self._make([part], None)
                    self._load(part)  # notes what another process refused meanwhile
                    progress.advance()
        return self._refusals

    def complete(self, label: str) -> tuple[ClipFeatures, list[str]]:
        """Features of all clips in their order, and all refusals: for the first process.

        Finishes first. Raises UserError where there is no clip.
        """
        self.finish(label)
        parts = [self._load(part) for part in self._parts]
        assert None not in parts, "a part has gone since it was extracted"
        found = [part.features for part in parts if part is not None and part.features is not None]
        if not found:
            raise UserError("there is no clip to measure", where="; ".join(self._refusals[:3]))
        return ClipFeatures.join(found), self._refusals

    def parts(self, label: str) -> Iterator[ClipFeatures]:
        """Features a part at a time, in order, for the first process; finishes first."""
        self.finish(label)
        for part in self._parts:
            found = self._load(part)
            assert found is not None, f"part {part} has gone since it was extracted"
            if found.features is not None:
                yield found.features

    def leave(self, rank: int) -> None:
        """Say that process ``rank`` needs the folder no more."""
        write_json(self.folder / f"left-{rank}.json", {})

    def remove(self, world: int = 1, seconds: float = LEAVING_SECONDS) -> bool:
        """Delete the parts: what was made of them is kept elsewhere. Whether it could be done.

        Waits for the other processes to `leave`; where one does not within ``seconds``, it may be
        dead or at work, and the folder stays.
        """
        marks = [self.folder / f"left-{rank}.json" for rank in range(1, world)]
        deadline = time.monotonic() + seconds
        while not all(mark.exists() for mark in marks):
            if time.monotonic() > deadline:
                print(f"{self.folder} is left: another process has not ended", file=sys.stderr)
                return False
            time.sleep(0.1)
        shutil.rmtree(self.folder)
        return True

    def _make(self, parts: list[int], progress: Progress | None) -> None:
        """Extract ``parts``; without ``progress``, only until another process has done it."""
        rows: list[ClipFeatures] = []
        refused: list[str] = []
        for part, read, ends in self._batches(parts):
            if self._path(part).is_file():  # another process has made it meanwhile
                if progress is None:
                    return
                rows, refused = [], []
                continue
            if len(read.clips):
                measured = *self.network(read.clips), read.labels, *clip_statistics(read.clips)
                rows.append(ClipFeatures(*measured))
            refused += read.refused
            self._note(part, refused)
            if progress is not None:
                progress.advance(len(read.clips) + len(read.refused))
            if ends:
                features = ClipFeatures.join(rows) if rows else None
                Extracted(features, refused).save(self._path(part))
                rows, refused = [], []

    def _batches(self, parts: list[int]) -> Iterator[tuple[int, Read, bool]]:
        """Part, clips, and whether they are its last; the next ones are read meanwhile."""
        spans = [
            (part, start, min(start + BATCH_SIZE, self._places(part).stop))
            for part in parts
            for start in self._places(part)[::BATCH_SIZE]
        ]
        with ThreadPoolExecutor(1) as reader:
            coming = [reader.submit(self.source.read, *span[1:]) for span in spans[:1]]
            for number, (part, _, stop) in enumerate(spans):
                read = coming.pop().result()
                if number + 1 < len(spans):
                    coming.append(reader.submit(self.source.read, *spans[number + 1][1:]))
                yield part, read, stop == self._places(part).stop

    def _places(self, part: int) -> range:
        return range(part * PART, min((part + 1) * PART, len(self.source)))

    def _path(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.safetensors"

    def _load(self, part: int) -> Extracted | None:
        path = self._path(part)
        if not path.is_file():
            return None
        found = Extracted.load(path)
        if found is None:
            print(f"{path} is damaged and will be made again", file=sys.stderr)
            path.unlink(missing_ok=True)
            return None
        self._note(part, found.refused)
        return found

    @property
    def _refusals(self) -> list[str]:
        return [line for part in sorted(self._refused) for line in self._refused[part]]

    def _note(self, part: int, refused: list[str]) -> None:
        self._refused[part] = refused
        lines = self._refusals
        if len(lines) > self.most_refused:
            raise UserError(
                f"{len(lines)} of {len(self.source)} videos give no clip so far, and "
                f"{self.most_refused or 'none'} may be left out",
                where="\n         ".join(lines[-5:]),
                todo="mend or remove them, or raise --max-refused",
            )


def _digest(tensors: dict[str, Tensor], refused: str) -> str:
    digest = hashlib.sha256(refused.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def end(caches: Iterable[FeatureCache], rank: int, world: int) -> None:
    """Remove ``caches`` as the first process, once the others have left; leave as another."""
    seconds = LEAVING_SECONDS
    for cache in caches:
        if rank:
            cache.leave(rank)
        elif not cache.remove(world, seconds):
            seconds = 0.0  # it was waited for long enough

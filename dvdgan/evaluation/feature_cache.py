"""A cache of features on disk, in parts: several processes extract them, and a restart resumes.

Processes do not communicate: each extracts its own parts, and one of them joins the parts in the
folder. A part does not depend on the process that extracts it, so the result has the same bits
for any number of processes on one kind of device with the same number of CPU threads.
"""

import hashlib
import json
import shutil
import sys
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

    @property
    def numbers(self) -> range:
        """The numbers of its parts."""
        return self._parts

    @property
    def done(self) -> int:
        """Clips in the parts that are there, whoever has extracted them."""
        there = {path.name for path in self.folder.iterdir()}
        return sum(
            len(self._indices(part)) for part in self._parts if self._path(part).name in there
        )

    @property
    def refusals(self) -> list[str]:
        """Which indices gave no clip, and why, of the parts extracted or read so far."""
        return [line for part in sorted(self._refused) for line in self._refused[part]]

    def extract(self, label: str) -> None:
        """Extract all parts that are missing or damaged.

        Raises UserError once more than ``most_refused`` indices have given no clip.
        """
        missing = [part for part in self._parts if self._load(part) is None]
        left = sum(len(self._indices(part)) for part in missing)
        total = len(self.source)
        with Progress(label, total, "clips", start=total - left) as progress:
            self._make(missing, progress)

    def extract_parts(self, parts: Iterable[int]) -> None:
        """Extract those of ``parts`` that are missing or damaged, without showing progress.

        Raises as `extract` does.
        """
        self._make([part for part in parts if self._load(part) is None], None)

    def complete(self) -> ClipFeatures:
        """Features of all clips in order, after `extract`. Raises UserError if there is no clip."""
        found = list(self.parts())
        if not found:
            raise UserError("there is no clip to measure", where="; ".join(self.refusals[:3]))
        return ClipFeatures.join(found)

    def parts(self) -> Iterator[ClipFeatures]:
        """Features one part at a time, in order, after `extract`."""
        for part in self._parts:
            found = self._load(part)
            assert found is not None, f"part {part} was deleted after it was extracted"
            if found.features is not None:
                yield found.features

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)

    def _make(self, parts: list[int], progress: Progress | None) -> None:
        """Extract ``parts``, except those that another process extracts meanwhile."""
        rows: list[ClipFeatures] = []
        refused: list[str] = []
        for part, read, ends in self._batches(parts):
            if self._path(part).is_file():  # another process was faster
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

    def _record(self, part: int, refused: list[str]) -> None:
        self._refused[part] = refused
        lines = self.refusals
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

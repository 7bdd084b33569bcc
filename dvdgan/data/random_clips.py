"""An endless, seeded sequence of random clips: clip number c is the same whoever reads it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from dvdgan.data.dataset import ClipDataset, DamagedShardError, too_many_damaged
from dvdgan.errors import UserError
from dvdgan.storage.store import StoreUnavailableError

if TYPE_CHECKING:
    from dvdgan.config.schema import Augmentation

ClipBatch = tuple[Tensor, Tensor]
"""Clips (B, T, 3, H, W) uint8 and their labels (B,) int64."""

_LabelledClip = tuple[NDArray[np.uint8], int]
ErrorT = TypeVar("ErrorT", bound=Exception)

# Videos tried in place of one that cannot be read, before the data are given up.
MAX_SUBSTITUTES = 100


class LoadedBatch(NamedTuple):
    """A batch as a worker process hands it over."""

    clips: Tensor
    labels: Tensor
    damaged: list[DamagedShardError]
    """Why clips were replaced, in their order."""


class RandomClips(Dataset[LoadedBatch]):
    """Every epoch shows each video once, in an order of its own; window and crop are uniform.

    ``augmentation`` changes that; None is the paper's (2.4, A.1). A clip that cannot be read is
    replaced by one of another random video: which one depends on (seed, c) and on what is damaged,
    not on the process that reads it. A clip for which more than ``max_damaged_shards`` tars are
    found damaged is an error.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        seed: int,
        augmentation: "Augmentation | None" = None,
        max_damaged_shards: int = 0,
    ) -> None:
        self.dataset, self.seed, self.augmentation = dataset, seed, augmentation
        self.max_damaged_shards = max_damaged_shards

    def __getitems__(self, numbers: list[int]) -> LoadedBatch | Exception:
        """The clips of these numbers, or the UserError or StoreUnavailableError that stopped us."""
        # Returned, since torch would raise another exception, whose text is a traceback.
        try:
            rows = self.dataset.in_order(self._readable, numbers)
        except (UserError, StoreUnavailableError) as error:
            return _without_traceback(error)
        damaged = [_without_traceback(error) for _, errors in rows for error in errors]
        return LoadedBatch(*to_tensors([clip for clip, _ in rows]), damaged)

    def read(self, numbers: Sequence[int]) -> ClipBatch:
        """The clips of these numbers, none replaced; raises DamagedShardError."""
        return to_tensors(self.dataset.in_order(self._clip, numbers))

    def labels(self, numbers: Sequence[int]) -> Tensor:
        """The labels of the clips of these numbers, none replaced, (N,) int64."""
        return torch.tensor([int(self.dataset.labels[self._video(n)]) for n in numbers])

    def _readable(self, number: int) -> tuple[_LabelledClip, list[DamagedShardError]]:
        """Clip ``number`` or the first substitute that can be read, and why others could not."""
        damaged: dict[str, DamagedShardError] = {}
        for retry in range(MAX_SUBSTITUTES):
            try:
                clip = self._clip(number) if retry == 0 else self._substitute(number, retry)
            except DamagedShardError as error:
                damaged.setdefault(error.shard, error)
                if len(damaged) > self.max_damaged_shards:
                    # From None, since it may be this very error.
                    raise too_many_damaged(self.max_damaged_shards, damaged) from None
            else:
                return clip, list(damaged.values())
        raise UserError(
            f"none of {MAX_SUBSTITUTES} randomly drawn videos can be read",
            where=", ".join(damaged),
            todo="delete them, also in DVC's cache, and run `dvc pull shard` (docs/runbooks.md)",
        )

    def _clip(self, number: int) -> _LabelledClip:
        return self._window(np.random.default_rng([self.seed, 1, number]), self._video(number))

    def _substitute(self, number: int, retry: int) -> _LabelledClip:
        rng = np.random.default_rng([self.seed, 2, number, retry])
        return self._window(rng, int(rng.integers(len(self.dataset))))

    def _video(self, number: int) -> int:
        epoch, position = divmod(number, len(self.dataset))
        return int(_order(self.seed, epoch, len(self.dataset))[position])

    def _window(self, rng: np.random.Generator, video: int) -> _LabelledClip:
        data, how = self.dataset, self.augmentation
        late = data.lengths[video] - data.span
        margins = data.shapes[video] - data.resolution
        # Everything is drawn, whatever the augmentation, so that one choice leaves the others as
        # they were.
        start = int(rng.integers(late + 1))
        top, left = map(int, rng.integers(margins + 1))
        flip = rng.random() < 0.5
        if how is not None and how.temporal_window == "center":
            start = int(late // 2)
        if how is not None and how.crop == "center":
            top, left = map(int, margins // 2)
        clip = data.read(video, start, top, left)
        if how is not None and how.flip and flip:
            clip = clip[:, :, ::-1]
        return clip, int(data.labels[video])


class ConditioningFrames:
    """The frames that prediction continues: those a real clip begins with (paper A.4).

    Clip number i of ``seed`` is a random window and crop, the same in whatever batch it is read, so
    that it belongs to generated video number i.
    """

    def __init__(self, dataset: ClipDataset, seed: int, frames: int) -> None:
        self.frames = frames
        self._clips = RandomClips(dataset, seed)

    def __getitem__(self, numbers: slice) -> Tensor:
        """The given frames of clips start .. stop-1: (N, C, 3, H, W) uint8."""
        return self.clips(numbers)[0][:, : self.frames]

    def fingerprint(self) -> str:
        """Of index.json, which holds the sha256 of every shard, the split, windows and seed."""
        data = self._clips.dataset
        window = (data.resolution, data.frames, data.stride, self._clips.seed, self.frames)
        return f"{data.index_sha256} {data.split} {window}"

    def labels(self, numbers: slice) -> Tensor:
        """The labels of clips start .. stop-1: (N,) int64."""
        return self._clips.labels(range(numbers.start, numbers.stop))

    def clips(self, numbers: slice) -> ClipBatch:
        """The whole clips start .. stop-1, (N, T, 3, H, W) uint8: what really happened; labels."""
        return self._clips.read(range(numbers.start, numbers.stop))


def to_tensors(rows: Sequence[_LabelledClip]) -> ClipBatch:
    """Clips (T, H, W, 3) and labels, put together."""
    frames_last = torch.from_numpy(np.stack([clip for clip, _ in rows]))
    labels = torch.tensor([label for _, label in rows])
    return frames_last.permute(0, 1, 4, 2, 3).contiguous(), labels


def _without_traceback(error: ErrorT) -> ErrorT:
    """Without its traceback and causes, which libraries (tblib, of Dask) teach pickle to follow."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, videos: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 0, epoch]).permutation(videos)

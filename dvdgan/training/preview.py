"""Sample sheets of fixed latents: the same clips, step after step, to watch a run learn."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import ConditioningFrames
from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.models.latent import derive_seed
from dvdgan.models.standing_statistics import recompute_statistics
from dvdgan.video.grid import film_strip, video_grid
from dvdgan.video.image import encode_png

if TYPE_CHECKING:
    from dvdgan.config.schema import Model

ROWS = 8
COLUMNS = 4  # of the video
STANDING_BATCHES = 4
FRAMES_SHOWN = 6


@dataclass(frozen=True)
class SampleSheet:
    """What a run's sheets show: ROWS clips, and in prediction what really happened below each."""

    shown: GeneratorInputs
    standing: list[GeneratorInputs]
    """Batches for the standing statistics of the averaged generator."""
    truth: Tensor | None
    """(ROWS, T, 3, H, W) uint8, in prediction."""
    fps: float
    """Frames a second of a clip."""

    @classmethod
    def plan(cls, dataset: ClipDataset, model: "Model", seed: int) -> "SampleSheet":
        """Draw latents, classes in turn, and the clips whose first frames are continued."""
        draws = torch.Generator().manual_seed(derive_seed(seed, "preview"))
        source = ConditioningFrames(dataset, seed, model.conditioning_frames)
        batches, clips = [], []
        first = 0
        for size in (ROWS, *[2 * ROWS] * STANDING_BATCHES):
            latents = torch.randn(size, model.latent_dim, generator=draws)
            labels = torch.arange(size) % len(dataset.classes)
            conditioning = None
            if model.conditioning_frames:
                whole, labels = source.clips(slice(first, first + size))
                conditioning = whole[:, : model.conditioning_frames] / 127.5 - 1
                clips.append(whole)
            batches.append(GeneratorInputs(latents, labels, conditioning))
            first += size
        return cls(batches[0], batches[1:], clips[0] if clips else None, dataset.clip_fps)

    @torch.no_grad()
    def draw(self, average: Generator) -> dict[str, bytes]:
        """The clips as files, suffix -> content; given frames are framed in colour.

        `.png`: a row a clip, time from left to right. `.mp4`: all of them side by side; only where
        av is installed, which training does not need.
        Converges the average's spectral norms and recomputes its batch-norm statistics, which
        nothing else in training uses.
        """
        device = next(average.parameters()).device
        recompute_statistics(average, (batch.to(device) for batch in self.standing))
        frames = average(*self.shown.to(device))
        pixels = ((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()
        every = max(pixels.shape[1] // FRAMES_SHOWN, 1)
        given = average.architecture.conditioning_frames
        if self.truth is not None:
            # A prediction and its truth, one above the other, frame by frame.
            pixels = torch.stack([pixels, self.truth], dim=1)[: ROWS // 2].flatten(0, 1)
            every = 1
        clips = pixels.movedim(2, -1).numpy()
        files = {".png": encode_png(film_strip(clips, every, given=given))}
        if find_spec("av") is not None:
            files[".mp4"] = self._video(clips, given)
        return files

    def _video(self, clips: NDArray[np.uint8], given: int) -> bytes:
        """``clips`` (ROWS, T, H, W, 3) in a grid, in prediction each above its truth."""
        from dvdgan.video.encode import encode_mp4

        rows = clips.reshape(-1, COLUMNS, *clips.shape[1:])
        if self.truth is not None:
            rows = clips.reshape(COLUMNS, -1, *clips.shape[1:]).swapaxes(0, 1)
        return encode_mp4(video_grid(rows, given=given), self.fps)

"""Sample videos from a model bundle; needs torch and safetensors alone."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, get_args

import torch
from torch import Tensor

from dvdgan.errors import NotFiniteError, UserError
from dvdgan.models.architecture import Blocks, GeneratorArchitecture, Norm, Recurrence
from dvdgan.models.generator import Generator
from dvdgan.models.latent import Truncation, interpolated, numbered_latents
from dvdgan.models.meta import filled_network
from dvdgan.models.spectral import bake
from dvdgan.storage.local import read_json
from dvdgan.storage.reading import reading
from dvdgan.storage.tensors import load_tensors

CONFIG = "config.json"
WEIGHTS = "generator.safetensors"

# Clips handed out at a time.
BATCH = 16
# Clips in one forward, with clip n in row n modulo this. It is constant, so that a clip's bits do
# not depend on the other clips of a call: kernels add up in another order for another batch size.
# The same is true of the number of threads, which the caller chooses: a fixed one would leave cores
# idle.
FORWARD = {"cpu": 4, "cuda": 16}


# The most that a bundle's config may ask for: a file of a few bytes must not take all memory.
MOST_OF_A_SIZE = {"frames": 1024, "channels": 1024, "resolution": 1024}
MOST_FPS = 1000
NAMED_CHOICES = {
    "recurrence": get_args(Recurrence),
    "block_norm": get_args(Norm),
    "output_norm": get_args(Norm),
    "blocks": get_args(Blocks),
}


class Frames(Protocol):
    """Frames to continue, by clip: a tensor (N, C, 3, H, W) uint8, or a reader of such slices."""

    def __getitem__(self, clips: slice, /) -> Tensor: ...


class Sampler:
    """A frozen generator: labels and a seed in, uint8 videos out."""

    def __init__(self, generator: Generator, classes: Sequence[str], fps: float) -> None:
        """``generator``: with standing statistics; ``fps``: frames per second of its clips."""
        self.generator = generator.eval().requires_grad_(False)
        self.classes = list(classes)
        self.fps = fps

    @classmethod
    def load(cls, bundle: Path | str, device: str = "cpu") -> "Sampler":
        """Load a bundle folder written by `dvdgan export`; UserError if it is not one.

        It may be from anyone: nothing in it can run code or take more memory than its own size
        and MOST_OF_A_SIZE allow.
        """
        bundle = Path(bundle)
        for name in (CONFIG, WEIGHTS):
            if not (bundle / name).is_file():
                raise UserError(
                    f"{bundle} is not a model bundle: {name} is missing",
                    todo="give a folder written by `dvdgan export`",
                )
        config = read_json(bundle / CONFIG)
        with reading(bundle / CONFIG, "the config of a model bundle"):
            architecture = _architecture(config["generator"])
            classes, fps = _class_names(config["classes"], architecture), _rate(config["fps"])
        tensors = load_tensors(bundle / WEIGHTS)
        with reading(bundle / WEIGHTS, f"of the generator in {CONFIG}"):
            generator = filled_network(partial(_plain_generator, architecture), tensors, device)
        return cls(generator, classes, fps)

    @property
    def conditioning_frames(self) -> int:
        """C, the frames that the model continues; 0: it generates whole clips of a class."""
        return self.generator.architecture.conditioning_frames

    @property
    def resolution(self) -> int:
        """Height and width of a clip, pixels."""
        return self.generator.architecture.resolution

    def sample(
        self,
        labels: Tensor,
        seed: int,
        first: int = 0,
        conditioning: Frames | None = None,
        truncation: Truncation | None = None,
    ) -> Tensor:
        """Videos number ``first``, first + 1, ... of ``seed``, one for each label.

        labels: (N,) int64 -> uint8 (N, T, 3, H, W) on the CPU. Video i depends only on seed, i, its
        label and its conditioning frames, bit for bit on one kind of device with one number of CPU
        threads; with another number some values differ by 1. ``conditioning``: the frames to
        continue, from row 0 on, for a model that predicts (it ignores labels). ``truncation``:
        truncated latents, for better and less varied clips (paper 4.4). Raises ValueError for no
        labels, unknown labels and frames of the wrong shape or type, and NotFiniteError, a
        FloatingPointError, if a value is not finite.
        """
        stream = self.stream(labels, seed, first, conditioning, truncation)
        return torch.cat([clips for clips, _ in stream])

    def stream(
        self,
        labels: Tensor,
        seed: int,
        first: int = 0,
        conditioning: Frames | None = None,
        truncation: Truncation | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As `sample`, in batches of (clips, labels), so that memory stays small."""
        self._check(labels, conditioning)
        for start in range(0, len(labels), BATCH):
            chosen = labels[start : start + BATCH]
            count = len(chosen)
            latents = numbered_latents(
                seed, first + start, count, self.generator.architecture.latent_dim, truncation
            )
            given = None if conditioning is None else conditioning[start : start + count]
            yield self._rendered(self._condition(latents, chosen), given, first + start), chosen

    def interpolate_latents(
        self,
        label: int,
        seed: int,
        numbers: Sequence[int],
        steps: int,
        conditioning: Tensor | None = None,
        truncation: Truncation | None = None,
    ) -> Tensor:
        """Videos on the line between the latents of numbered ones (paper Figs. 8, 18, 19).

        -> uint8 (steps, T, 3, H, W); the ends are those two videos. Through more than two videos
        the line has ``steps`` from each to the next, both included: (len(numbers) - 1) *
        (steps - 1) + 1 in all. ``conditioning``: (C, 3, H, W) uint8, the same frames for all.
        ``truncation`` as in `sample`. Raises ValueError as `sample` does, and for fewer than two
        numbers or steps.
        """
        dim = self.generator.architecture.latent_dim
        ends = [numbered_latents(seed, number, 1, dim, truncation)[0] for number in numbers]
        latents = _path(ends, steps)
        labels = torch.full((len(latents),), label)
        given = None
        if conditioning is not None:
            given = conditioning.expand(len(latents), *conditioning.shape)
        self._check(labels, given)
        return self._rendered(self._condition(latents, labels), given)

    def interpolate_classes(
        self,
        labels: Sequence[int],
        seed: int,
        number: int,
        steps: int,
        truncation: Truncation | None = None,
    ) -> Tensor:
        """Videos of one latent between the embeddings of classes (paper Figs. 9, 20).

        -> uint8 (steps, T, 3, H, W); the ends are video ``number`` of each class. More than two
        classes are passed as `interpolate_latents` passes videos. Raises ValueError for a model
        without classes, unknown classes, and fewer than two classes or steps.
        """
        if self.conditioning_frames:
            raise ValueError("this model predicts frames and has no classes")
        chosen = torch.tensor(labels, dtype=torch.int64)
        self._check(chosen, None)
        dim = self.generator.architecture.latent_dim
        latents = numbered_latents(seed, number, 1, dim, truncation).expand(len(chosen), -1)
        return self._rendered(_path(list(self._condition(latents, chosen)), steps), None)

    def _condition(self, latents: Tensor, labels: Tensor) -> Tensor:
        device = next(self.generator.parameters()).device
        return self.generator.condition(latents.to(device), labels.to(device))

    def _rendered(self, condition: Tensor, conditioning: Tensor | None, first: int = 0) -> Tensor:
        """(N, D) and uint8 (N, C, 3, H, W) of clips ``first`` ... -> uint8 (N, T, 3, H, W)."""
        device = condition.device
        size = FORWARD[device.type]
        lead = first % size
        clips = []
        for start in range(-lead, len(condition), size):
            rows = slice(max(start, 0), start + size)
            before = max(-start, 0)
            given = None
            if conditioning is not None:
                given = _padded(conditioning[rows], before, size).to(device) / 127.5 - 1
            with torch.inference_mode():
                frames = self.generator.synthesise(_padded(condition[rows], before, size), given)
            frames = frames[before : before + len(condition[rows])]
            if not frames.isfinite().all():
                raise NotFiniteError("the generator's output is not finite")
            clips.append(((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu())
        return torch.cat(clips)

    def _check(self, labels: Tensor, conditioning: Frames | None) -> None:
        given, known = self.conditioning_frames, len(self.classes)
        if labels.ndim != 1 or not len(labels) or labels.is_floating_point():
            raise ValueError(
                "labels must be whole numbers, one for each video and at least one, but are "
                f"{labels.dtype} of shape {tuple(labels.shape)}"
            )
        if (conditioning is None) == bool(given):
            raise ValueError(
                f"this model continues frames: give {given} of each clip as conditioning"
                if given
                else "this model generates clips of a class and continues no frames"
            )
        if isinstance(conditioning, Tensor):
            side = self.resolution
            expected = (len(labels), given, 3, side, side)
            if conditioning.dtype != torch.uint8 or tuple(conditioning.shape) != expected:
                raise ValueError(
                    f"conditioning must be uint8 {expected}, but is {conditioning.dtype} "
                    f"{tuple(conditioning.shape)}"
                )
        elif not given and (labels.min() < 0 or labels.max() >= known):
            raise ValueError(f"labels must be in 0..{known - 1}: this model has {known} classes")


def _architecture(found: dict[str, Any]) -> GeneratorArchitecture:
    """What config.json says of the generator. Raises ValueError for sizes of no real model."""
    for name, value in found.items():
        if name in NAMED_CHOICES:
            if value not in NAMED_CHOICES[name]:
                raise ValueError(f"{name} is {value!r}")
        elif value is None and name == "recurrent_channels":
            continue
        elif type(value) is not int or not 0 <= value <= MOST_OF_A_SIZE.get(name, 65_536):
            raise ValueError(f"{name} is {value!r}")
    architecture = GeneratorArchitecture(**found)
    if architecture.generated_frames < 1 or not architecture.channels:
        raise ValueError(f"the generator has {architecture.generated_frames} frames")
    return architecture


def _class_names(found: Any, architecture: GeneratorArchitecture) -> list[str]:
    names = [str(name) for name in found if isinstance(name, str)]
    if not isinstance(found, list) or len(names) != len(found):
        raise ValueError("classes is no list of names")
    if architecture.classes and len(names) != architecture.classes:
        raise ValueError(f"{len(names)} classes are named, not {architecture.classes}")
    return names


def _rate(found: Any) -> float:
    if type(found) not in (int, float) or not 0 < found <= MOST_FPS:
        raise ValueError(f"fps is {found!r}")
    return float(found)


def _plain_generator(architecture: GeneratorArchitecture) -> Generator:
    """A generator without spectral norm parametrisations, as in bundles."""
    generator = Generator(architecture)
    bake(generator)
    return generator


def _path(points: list[Tensor], steps: int) -> Tensor:
    """``steps`` vectors from each point to the next, both included, no point twice: (N, D)."""
    if len(points) < 2 or steps < 2:
        raise ValueError("an interpolation needs at least two ends and two steps")
    parts = [interpolated(first, last, steps) for first, last in pairwise(points)]
    return torch.cat([parts[0], *(part[1:] for part in parts[1:])])


def _padded(rows: Tensor, before: int, size: int) -> Tensor:
    """``rows`` after ``before`` copies of the first row, padded to ``size`` with the last row."""
    indices = (torch.arange(size, device=rows.device) - before).clamp(0, len(rows) - 1)
    return rows[indices]

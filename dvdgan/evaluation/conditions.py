"""Everything that must be equal for two numbers to compare, and the name that says it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from dvdgan.evaluation.reference import RealReference
from dvdgan.video.preprocessing import AS_THEY_ARE, Preprocessing

# They compare clip by clip, with the real ones whose features are kept.
KEPT_METRICS = ("KVD", "precision", "recall", "density", "coverage")

# BigGAN's, and the default of export: left out of names.
USUAL_STANDING = "16 forwards of 16 clips"


@dataclass(frozen=True)
class Conditions:
    """How a number was measured. Two numbers compare only if all of this is equal."""

    protocol: str
    """One of dvdgan.protocols."""
    data: str | None
    """What tells the real clips from others; None where the metric needs no real clips."""
    network: str
    weights_sha256: str
    layer: str
    """pooled (the average-pool features, as the paper's FID) or logits (FVD, IS)."""
    value_range: str
    """Of the levels as the network takes them; a property of the network."""
    resize: str
    """Rule by which frames come to the network's size."""
    resolution: int
    """Height and width of the clips before that, px."""
    frames: int
    stride: int
    """Of the real clips in their videos."""
    clips: int
    """Measured clips, of one set."""
    real_split: str | None
    """Split whose statistics were compared with; None where the metric needs no real clips."""
    real_clips: int | None
    seed: int | None
    """Seed of the generated clips; None when nothing was drawn."""
    conditioning_frames: int = 0
    """Real frames that each generated clip begins with (0: synthesis)."""
    conditioning_split: str | None = None
    """Split those frames are from."""
    sets: int = 1
    """Sets of clips whose values were averaged."""
    truncation: str | None = None
    """Level and kind (models.latent.Truncation); None: full latents, or nothing was drawn."""
    standing: str | None = None
    """What the generator's standing statistics were made of; None: unknown."""
    preprocessing: Preprocessing = AS_THEY_ARE
    """Of the measured clips."""
    real_preprocessing: Preprocessing | None = None
    """Of the real ones; None where there are none, or statistics of an older version."""
    clips_per_video: int | None = None
    """Real clips of each video, which ``data`` tells, too; None as for real_split."""

    @property
    def name(self) -> str:
        """One line that tells these conditions from others, as it is printed behind a metric."""
        C, split = self.conditioning_frames, self.conditioning_split
        given = f", {C} {split} frames given" if C else ""
        resize = "" if self.resize == "none" else f" {self.resize}"
        sets = f"{self.sets} sets of " if self.sets > 1 else ""
        return (
            f"{self.protocol}: {self.network}@{self.weights_sha256[:8]} {self.layer}{resize}, "
            f"{self.frames}x{self.resolution}x{self.resolution} stride {self.stride}{given}, "
            f"{sets}{self.clips} clips{_bracketed(self.preprocessing)}{self._against}{self._drawn}"
        )

    @property
    def _against(self) -> str:
        if self.data is None:
            return ""
        # Stride and split stand elsewhere in the name.
        done = replace(self.real_preprocessing or AS_THEY_ARE, stride=1, split=None)
        real = f"{self.real_clips} {self.real_split}@{self.data[:8]}"
        return f" vs {real}{_bracketed(done)}"

    @property
    def _drawn(self) -> str:
        told = [
            f"seed {self.seed}" if self.seed is not None else "",
            f"truncation {self.truncation}" if self.truncation is not None else "",
            f"standing statistics of {self.standing}"
            if self.standing not in (None, USUAL_STANDING)
            else "",
        ]
        return "".join(f", {each}" for each in told if each)

    def differences(self, other: "Conditions") -> list[str]:
        """Each field in which the two differ, with both values; empty when they are equal."""
        mine, others = dict(_leaves(self)), dict(_leaves(other))
        return [
            f"{name}: {mine.get(name)} and {others.get(name)}"
            for name in mine | others
            if mine.get(name) != others.get(name)
        ]


@dataclass(frozen=True)
class Drawn:
    """How the measured clips came about."""

    seed: int | None = None
    """Seed they were drawn with; None for clips that were not drawn."""
    conditioning_frames: int = 0
    """Frames of each that are real ones, of the reference's split."""
    truncation: str | None = None
    standing: str | None = None
    preprocessing: Preprocessing = AS_THEY_ARE
    """The last three: as in Conditions."""


NOT_DRAWN = Drawn()


def conditions(
    clips: int, reference: RealReference, drawn: Drawn, metric: str, layer: str
) -> Conditions:
    """Those of one metric of so many ``clips``."""
    taken = reference.description
    alone = metric in ("IS", "accuracy")
    real_clips = len(reference.kept) if metric in KEPT_METRICS else reference.clips
    given = drawn.conditioning_frames
    return Conditions(
        protocol=taken.protocol,
        data=None if alone else taken.data,
        network=taken.network,
        weights_sha256=taken.weights_sha256,
        layer=layer,
        value_range=taken.value_range,
        resize=taken.resize,
        resolution=taken.resolution,
        frames=taken.frames,
        stride=taken.stride,
        clips=clips,
        real_split=None if alone else reference.split,
        real_clips=None if alone else real_clips,
        seed=drawn.seed,
        conditioning_frames=given,
        conditioning_split=reference.split if given else None,
        truncation=drawn.truncation,
        standing=drawn.standing,
        preprocessing=drawn.preprocessing,
        real_preprocessing=None if alone else taken.preprocessing,
        clips_per_video=None if alone else taken.clips_per_video,
    )


def _bracketed(done: Preprocessing) -> str:
    return f" ({done})" if str(done) else ""


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names of all fields, those of fields that are dataclasses included."""
    for field in fields(value):
        each = getattr(value, field.name)
        if is_dataclass(each):
            yield from _leaves(each, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, each

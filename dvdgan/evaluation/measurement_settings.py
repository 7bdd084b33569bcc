"""How a metric was measured: two values compare only if all of it is equal."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from dvdgan.evaluation.reference import RealReference
from dvdgan.video.preprocessing import AS_THEY_ARE, Preprocessing

# Computed clip by clip, against the real clips whose features are kept.
KEPT_METRICS = ("KVD", "precision", "recall", "density", "coverage")

# As in BigGAN, and the default of export; names leave it out.
DEFAULT_STANDING = "16 forwards of 16 clips"


@dataclass(frozen=True)
class MeasurementSettings:
    """How one metric was measured."""

    protocol: str
    """One of dvdgan.protocols."""
    data: str | None
    """Fingerprint of the real clips; None if the metric needs none."""
    network: str
    weights_sha256: str
    layer: str
    """pooled (the average-pool features, as the paper's FID) or logits (FVD, IS)."""
    value_range: str
    """Of the pixel values the network takes; a property of the network."""
    resize: str
    """Rule that resizes frames to the network's size."""
    resolution: int
    """Height and width of the clips before the resize, px."""
    frames: int
    stride: int
    """Of the frames of real clips in their videos."""
    clips: int
    """Number of measured clips in one set."""
    real_split: str | None
    """Split of the real clips; None if the metric needs none."""
    real_clips: int | None
    seed: int | None
    """Seed of the generated clips; None for clips that were not sampled."""
    conditioning_frames: int = 0
    """Real frames that each generated clip begins with (0: synthesis)."""
    conditioning_split: str | None = None
    """Split of those frames."""
    sets: int = 1
    """Number of sets of clips whose values were averaged."""
    truncation: str | None = None
    """Level and kind (models.latent.Truncation); None: no truncation, or clips not sampled."""
    standing: str | None = None
    """How the generator's standing statistics were computed; None: unknown."""
    preprocessing: Preprocessing = AS_THEY_ARE
    """Of the measured clips."""
    real_preprocessing: Preprocessing | None = None
    """Of the real clips; None if the metric needs none, and in older statistics."""
    clips_per_video: int | None = None
    """Real clips taken of each video; None as for real_split."""

    @property
    def name(self) -> str:
        """All settings in one line, as printed behind the metric."""
        C, split = self.conditioning_frames, self.conditioning_split
        given = f", {C} {split} frames given" if C else ""
        resize = "" if self.resize == "none" else f" {self.resize}"
        sets = f"{self.sets} sets of " if self.sets > 1 else ""
        return (
            f"{self.protocol}: {self.network}@{self.weights_sha256[:8]} {self.layer}{resize}, "
            f"{self.frames}x{self.resolution}x{self.resolution} stride {self.stride}{given}, "
            f"{sets}{self.clips} clips{_bracketed(self.preprocessing)}"
            f"{self._against}{self._sampling}"
        )

    @property
    def _against(self) -> str:
        if self.data is None:
            return ""
        # The name has stride and split elsewhere.
        preprocessing = replace(self.real_preprocessing or AS_THEY_ARE, stride=1, split=None)
        real = f"{self.real_clips} {self.real_split}@{self.data[:8]}"
        return f" vs {real}{_bracketed(preprocessing)}"

    @property
    def _sampling(self) -> str:
        parts = [
            f"seed {self.seed}" if self.seed is not None else "",
            f"truncation {self.truncation}" if self.truncation is not None else "",
            f"standing statistics of {self.standing}"
            if self.standing not in (None, DEFAULT_STANDING)
            else "",
        ]
        return "".join(f", {part}" for part in parts if part)

    def differences(self, other: "MeasurementSettings") -> list[str]:
        """Each field in which the two differ, with both values; empty if they are equal."""
        mine, others = dict(_leaves(self)), dict(_leaves(other))
        return [
            f"{name}: {mine.get(name)} and {others.get(name)}"
            for name in mine | others
            if mine.get(name) != others.get(name)
        ]


@dataclass(frozen=True)
class SamplingSettings:
    """How the measured clips were generated and prepared."""

    seed: int | None = None
    """None for clips that were not sampled."""
    conditioning_frames: int = 0
    """Real frames, of the reference's split, that each clip begins with."""
    truncation: str | None = None
    standing: str | None = None
    preprocessing: Preprocessing = AS_THEY_ARE
    """These three: as in MeasurementSettings."""


NOT_GENERATED = SamplingSettings()


def measurement_settings(
    clips: int, reference: RealReference, sampling: SamplingSettings, metric: str, layer: str
) -> MeasurementSettings:
    """The settings of ``metric``, measured on so many ``clips`` by ``layer`` of the network."""
    description = reference.description
    without_real = metric in ("IS", "accuracy")
    real_clips = len(reference.kept) if metric in KEPT_METRICS else reference.clips
    given = sampling.conditioning_frames
    return MeasurementSettings(
        protocol=description.protocol,
        data=None if without_real else description.data,
        network=description.network,
        weights_sha256=description.weights_sha256,
        layer=layer,
        value_range=description.value_range,
        resize=description.resize,
        resolution=description.resolution,
        frames=description.frames,
        stride=description.stride,
        clips=clips,
        real_split=None if without_real else reference.split,
        real_clips=None if without_real else real_clips,
        seed=sampling.seed,
        conditioning_frames=given,
        conditioning_split=reference.split if given else None,
        truncation=sampling.truncation,
        standing=sampling.standing,
        preprocessing=sampling.preprocessing,
        real_preprocessing=None if without_real else description.preprocessing,
        clips_per_video=None if without_real else description.clips_per_video,
    )


def _bracketed(preprocessing: Preprocessing) -> str:
    return f" ({preprocessing})" if str(preprocessing) else ""


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of all fields, also of nested dataclasses."""
    for field in fields(value):
        each = getattr(value, field.name)
        if is_dataclass(each):
            yield from _leaves(each, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, each

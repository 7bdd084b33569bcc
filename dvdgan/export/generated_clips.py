"""The generated clips to measure: their specification, and a reader that samples them."""

from dataclasses import dataclass, replace
from hashlib import sha256

import torch
from torch import Tensor

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.random_clips import ConditioningFrames
from dvdgan.data.sources.clip_source import SourceClips
from dvdgan.evaluation.measurement_settings import SamplingSettings
from dvdgan.export.sampler import Sampler
from dvdgan.models.latent import Truncation, derive_seed
from dvdgan.provenance.lock import fingerprint_of
from dvdgan.provenance.modules import code_behind


@dataclass(frozen=True)
class SampleSpec:
    """Labels, seed and conditioning frames of the clips to sample."""

    labels: Tensor
    """(N,) int64; in prediction, those of the clips that are continued."""
    seed: int
    conditioning: ConditioningFrames | None

    @classmethod
    def of(cls, dataset: ClipDataset, count: int, seed: int, given: int) -> "SampleSpec":
        """Labels at the data's frequencies or, if ``given`` > 0, frames of the data to continue."""
        if not given:
            return cls(class_labels(dataset, count), seed, None)
        source = ConditioningFrames(dataset, seed, given)
        return cls(source.labels(slice(0, count)), seed, source)

    def another(self, number: int) -> "SampleSpec":
        """The same with other latents, for set ``number`` of several; 0: unchanged."""
        return replace(self, seed=derive_seed(self.seed, "set", number)) if number else self

    @property
    def sampling(self) -> SamplingSettings:
        given = 0 if self.conditioning is None else self.conditioning.frames
        return SamplingSettings(self.seed, given)

    def fingerprint(self) -> str:
        given = "" if self.conditioning is None else self.conditioning.fingerprint()
        return f"{sha256(self.labels.numpy().tobytes()).hexdigest()} {self.seed} {given}"


@dataclass(frozen=True)
class GeneratedClips:
    """Reads generated clips; clip n is video n of the seed in every process and batch.

    Bit for bit on one kind of device with one number of CPU threads (`Sampler.sample`).
    """

    sampler: Sampler
    spec: SampleSpec
    truncation: Truncation | None = None

    def __len__(self) -> int:
        return len(self.spec.labels)

    def read(self, start: int, stop: int) -> SourceClips:
        labels = self.spec.labels[start:stop]
        given = None
        if self.spec.conditioning is not None:
            given = self.spec.conditioning[slice(start, start + len(labels))]
        clips = self.sampler.sample(labels, self.spec.seed, start, given, self.truncation)
        return SourceClips(clips, labels, [])

    def fingerprint(self) -> str:
        """Of the weights, the code that runs them, and the specification."""
        digest = sha256()
        for name, tensor in sorted(self.sampler.generator.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy())
        code = fingerprint_of(code_behind("export/sampler.py"))
        return f"{digest.hexdigest()} {code} {self.spec.fingerprint()} {self.truncation}"


def class_labels(dataset: ClipDataset, count: int) -> Tensor:
    """``count`` labels at the split's frequencies; equal data gives equal labels."""
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
    own = torch.tensor(dataset.labels)[order]
    return own[torch.arange(count) % len(own)]

"""Does a model repeat its training clips (paper B.2)? Nearest ones, and jumps between videos."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from dvdgan.data.sources.shard_set import EvenClips
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.interpolation_jumps import (
    Jumps,
    class_lines,
    interpolation_steps,
    latent_lines,
)
from dvdgan.evaluation.neighbours import copying, nearest
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import RealReference
from dvdgan.export.clip_sets import EvaluationInputs
from dvdgan.export.generated_clips import GeneratedClips

# On the sheet: the samples that lie nearest to a training clip, and as many neighbours of each.
SHOWN, NEIGHBOURS = 8, 3


@dataclass(frozen=True)
class Memorisation:
    """What metrics.json tells, and clips to look at."""

    told: dict[str, Any]
    sheets: dict[str, Tensor]
    """uint8 (rows, columns, T, 3, H, W). nearest_training_clips: a generated clip, then NEIGHBOURS
    training clips; interpolation_latents, interpolation_classes: a line (paper Figs. 8, 9)."""


def examine_memorisation(
    inputs: EvaluationInputs,
    generated: ClipFeatures,
    references: dict[str, RealReference],
    training: EvenClips,
    network: FeatureNetwork,
    lines: int,
    videos: int,
) -> Memorisation:
    """Compare ``generated`` with the kept training clips, and walk between videos.

    ``training``: the kept clips of references["train"] themselves. ``lines`` rows of ``videos``
    each, of the bundle's first classes.
    """
    bank = references["train"].kept.pooled
    found = nearest(generated.pooled, bank, NEIGHBOURS)
    told: dict[str, Any] = {"training_clips": len(bank)}
    # Predictions begin with training frames, which no test clip does: they cannot be compared.
    if "test" in references and not inputs.sampler.conditioning_frames:
        real = nearest(references["test"].kept.pooled, bank).distances[:, 0]
        compared = copying(found.distances[:, 0], real)
        told["nearest"] = asdict(compared) | {"memorising": compared.memorising}
    closest = found.distances[:, 0].argsort(stable=True)[:SHOWN]
    made = GeneratedClips(inputs.sampler, inputs.spec)
    rows = [
        torch.cat(
            [
                made.read(number, number + 1).clips,
                *(training.read(place, place + 1).clips for place in found.places[number].tolist()),
            ]
        )
        for number in closest.tolist()
    ]
    walks = _interpolations(inputs, lines, videos)
    for name, clips in walks.items():
        told[name] = asdict(Jumps.of(interpolation_steps(clips, network, len(clips))))
    return Memorisation(told, {"nearest_training_clips": torch.stack(rows), **walks})


def _interpolations(inputs: EvaluationInputs, lines: int, videos: int) -> dict[str, Tensor]:
    """None for models that predict: their clips begin with the same real frames whatever z is."""
    sampler, seed = inputs.sampler, inputs.spec.seed
    if sampler.conditioning_frames or lines == 0:
        return {}
    labels = torch.arange(lines) % len(sampler.classes)
    found = {
        "interpolation_latents": torch.stack(list(latent_lines(sampler, labels, seed, videos)))
    }
    if len(sampler.classes) > 1:
        pairs = torch.stack([labels, (labels + 1) % len(sampler.classes)], dim=1)
        found["interpolation_classes"] = torch.stack(
            list(class_lines(sampler, pairs, seed, videos))
        )
    return found

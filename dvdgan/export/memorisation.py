"""Does a model memorise its training clips (paper B.2)? Nearest clips, and interpolation jumps."""

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

# On the sheet: the samples that are nearest to a training clip, and the neighbours of each.
SHOWN, NEIGHBOURS = 8, 3


@dataclass(frozen=True)
class Memorisation:
    """Memorisation metrics, and clips to look at."""

    metrics: dict[str, Any]
    """As in results.json."""
    sheets: dict[str, Tensor]
    """uint8 (rows, columns, T, 3, H, W). nearest_training_clips: a generated clip, then NEIGHBOURS
    training clips. interpolation_latents, interpolation_classes: a line (paper Figs. 8, 9)."""


def examine_memorisation(
    inputs: EvaluationInputs,
    generated: ClipFeatures,
    references: dict[str, RealReference],
    training: EvenClips,
    network: FeatureNetwork,
    lines: int,
    videos: int,
) -> Memorisation:
    """Compare ``generated`` with the kept training clips, and interpolate between videos.

    ``training``: reads the kept clips of references["train"]. Interpolations are ``lines`` rows of
    ``videos`` each, of the bundle's first classes.
    """
    bank = references["train"].kept.pooled
    found = nearest(generated.pooled, bank, NEIGHBOURS)
    metrics: dict[str, Any] = {"training_clips": len(bank)}
    # Predictions begin with training frames, and test clips do not: they cannot be compared.
    if "test" in references and not inputs.sampler.conditioning_frames:
        real = nearest(references["test"].kept.pooled, bank).distances[:, 0]
        compared = copying(found.distances[:, 0], real)
        metrics["nearest"] = asdict(compared) | {"memorising": compared.memorising}
    closest = found.distances[:, 0].argsort(stable=True)[:SHOWN]
    made = GeneratedClips(inputs.sampler, inputs.spec)
    rows = [
        torch.cat(
            [
                made.read(number, number + 1).clips,
                *(training.read(index, index + 1).clips for index in found.places[number].tolist()),
            ]
        )
        for number in closest.tolist()
    ]
    interpolated = _interpolations(inputs, lines, videos)
    for name, clips in interpolated.items():
        metrics[name] = asdict(Jumps.of(interpolation_steps(clips, network, len(clips))))
    return Memorisation(metrics, {"nearest_training_clips": torch.stack(rows), **interpolated})


def _interpolations(inputs: EvaluationInputs, lines: int, videos: int) -> dict[str, Tensor]:
    """Interpolations by name; none for prediction, where clips share real frames whatever z is."""
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

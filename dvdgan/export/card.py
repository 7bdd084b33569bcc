"""The model card: what a bundle is, in the words of the person who opens the folder."""

from typing import Any


def model_card(config: dict[str, Any]) -> str:
    """Markdown from a bundle's config.json."""
    facts = config["facts"]
    classes = "\n".join(f"- {name}" for name in config["classes"])
    origin = "\n".join(f"- {name}: {value}" for name, value in sorted(facts.items()))
    return f"""# DVD-GAN generator

{_task(config)} Video GAN after Clark, Donahue and Simonyan, "Efficient Video Generation on Complex
Datasets" (2019): averaged weights, standing batch-norm statistics, spectral normalisation baked in.

```python
import torch
from dvdgan.export.sampler import Sampler

sampler = Sampler.load("artifacts/model")
{_call(config)}
```

## Classes
{classes}

## Origin
{origin}

## Limits
It knows the videos it was trained on and nothing else, repeats what is in them, bias included, and
may reproduce single training clips. Its quality is what artifacts/evaluate/metrics.json says under
the protocol named there. The rights in the training videos apply.
"""


def _task(config: dict[str, Any]) -> str:
    shape, count = config["generator"], len(config["classes"])
    side, frames, given = shape["resolution"], shape["frames"], shape["conditioning_frames"]
    size = f"{side} x {side} pixels, {config['fps']:g} frames per second"
    if given:
        return (
            f"Continues videos: from {given} frames it predicts the next {frames - given}, {size}. "
            f"Trained on {count} classes, of which it is told nothing."
        )
    return f"Makes videos of {frames} frames, {size}, of one of {count} classes."


def _call(config: dict[str, Any]) -> str:
    shape = config["generator"]
    side, frames, given = shape["resolution"], shape["frames"], shape["conditioning_frames"]
    made = f"# uint8 (4, {frames}, 3, {side}, {side})"
    if given:
        return (
            f"# Four times {given} frames of yours, uint8 RGB; black ones here.\n"
            f"frames = torch.zeros(4, {given}, 3, {side}, {side}, dtype=torch.uint8)\n"
            "labels = torch.zeros(4, dtype=torch.int64)  # without a meaning in prediction\n"
            f"videos = sampler.sample(labels, seed=0, conditioning=frames)  {made}"
        )
    return (
        f"labels = torch.tensor([sampler.classes.index({config['classes'][0]!r})] * 4)\n"
        f"videos = sampler.sample(labels, seed=0)  {made}"
    )

"""The model card: what a bundle is, in the words of the person who opens the folder."""

from typing import Any


def model_card(config: dict[str, Any]) -> str:
    """Markdown from a bundle's config.json."""
    shape, facts = config["generator"], config["facts"]
    side = shape["resolution"]
    classes = "\n".join(f"- {name}" for name in config["classes"])
    origin = "\n".join(f"- {name}: {value}" for name, value in sorted(facts.items()))
    return f"""# DVD-GAN generator

Makes videos of {shape["frames"]} frames, {side} x {side} pixels, {config["fps"]:g} frames per
second, of one of {len(config["classes"])} classes. Class-conditional video GAN after Clark,
Donahue and Simonyan, "Efficient Video Generation on Complex Datasets" (2019): averaged weights,
standing batch-norm statistics, spectral normalisation baked in.

```python
import torch
from dvdgan.export.sampler import Sampler

sampler = Sampler.load("artifacts/model")
labels = torch.tensor([sampler.classes.index({config["classes"][0]!r})] * 4)
videos = sampler.sample(labels, seed=0)  # uint8 (4, {shape["frames"]}, 3, {side}, {side})
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

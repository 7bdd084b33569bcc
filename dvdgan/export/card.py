"""The model card of a bundle: Markdown, and before it the YAML that model hubs read."""

import json
from dataclasses import dataclass
from typing import Any

PICTURE = "samples.webp"
LICENCE = "rights-of-the-training-videos"


@dataclass(frozen=True)
class BundleMetric:
    """A metric of the exported checkpoint, measured while its run was supervised."""

    kind: str
    """FVD, FID or IS."""
    name: str
    """The full name: metric, network, number of clips and so on; equal names may be compared."""
    value: float
    interval: tuple[float, float] | None = None
    """95%."""


def model_card(config: dict[str, Any]) -> str:
    """Markdown from a bundle's config.json."""
    facts = config["facts"]
    predicts = bool(config["generator"]["conditioning_frames"])
    picture = "" if predicts else f"![Samples, not selected]({PICTURE})\n\n"
    classes = "\n".join(f"- {name}" for name in config["classes"])
    origin = "\n".join(f"- {name}: {value}" for name, value in sorted(facts.items()))
    return f"""---
{_front_matter(config)}
---

# DVD-GAN generator

{picture}{_task(config)} Video GAN after Clark, Donahue and Simonyan, "Efficient Video Generation
on Complex Datasets" (2019): averaged weights, standing batch-norm statistics, spectral
normalisation baked in.

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

{_metrics(config)}## Limits
The model reproduces the content and the biases of its training videos, and may reproduce single
training clips. The rights in the training videos apply.
"""


def _task(config: dict[str, Any]) -> str:
    shape, count = config["generator"], len(config["classes"])
    side, frames, given = shape["resolution"], shape["frames"], shape["conditioning_frames"]
    size = f"{side} x {side} pixels, {config['fps']:g} frames per second"
    if given:
        return (
            f"Continues videos: from {_counted(given, 'frame', 'frames')} it predicts the "
            f"next {frames - given}, {size}. Trained on {_counted(count, 'class', 'classes')}, "
            "without labels."
        )
    return f"Generates videos of {frames} frames, {size}, of one of {count} classes."


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _call(config: dict[str, Any]) -> str:
    shape = config["generator"]
    side, frames, given = shape["resolution"], shape["frames"], shape["conditioning_frames"]
    made = f"# uint8 (4, {frames}, 3, {side}, {side})"
    if given:
        frames_given = _counted(given, "frame", "frames")
        return (
            f"# {frames_given} to continue for each of 4 clips, uint8 RGB; here black ones.\n"
            f"frames = torch.zeros(4, {given}, 3, {side}, {side}, dtype=torch.uint8)\n"
            "labels = torch.zeros(4, dtype=torch.int64)  # not used in prediction\n"
            f"videos = sampler.sample(labels, seed=0, conditioning=frames)  {made}"
        )
    return (
        f"labels = torch.tensor([sampler.classes.index({config['classes'][0]!r})] * 4)\n"
        f"videos = sampler.sample(labels, seed=0)  {made}"
    )


def _metrics(config: dict[str, Any]) -> str:
    rows = [
        f"| {_cell(each['name'])} | {each['value']:.4g} | {_interval(each['interval'])} |"
        for each in config["metrics"]
    ]
    if not rows:
        return ""
    return "\n".join(
        [
            "## Metrics",
            (
                "Measured on the checkpoint during training. Only values with equal names are "
                "comparable."
            ),
            "",
            "| metric | value | 95% interval |",
            "|---|---|---|",
            *rows,
            "",
            "",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _interval(interval: list[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}"


def _front_matter(config: dict[str, Any]) -> str:
    """As the Hugging Face Hub documents model cards; metrics in its model-index."""
    predicts = bool(config["generator"]["conditioning_frames"])
    # The Hub has no task of classes in, videos out.
    task = "video-to-video" if predicts else "text-to-video"
    videos = config["facts"].get("training videos", "the training")
    result = {
        "task": {
            "type": task,
            "name": "frame prediction" if predicts else "class-conditional video generation",
        },
        "dataset": {
            "type": "video",
            "name": f"{videos} videos of {_counted(len(config['classes']), 'class', 'classes')}",
        },
        "metrics": [
            {
                "type": each["kind"].lower(),
                "name": each["name"],
                "value": each["value"],
                "args": {"interval_95": each["interval"]},
            }
            for each in config["metrics"]
        ],
    }
    matter: dict[str, Any] = {
        "license": "other",
        "license_name": LICENCE,
        "library_name": "dvdgan",
        "pipeline_tag": task,
        "tags": ["dvd-gan", "gan", "video-generation", "pytorch", "safetensors"],
    }
    if config["metrics"]:
        matter["model-index"] = [{"name": "DVD-GAN", "results": [result]}]
    return "\n".join(_yaml(matter))


def _yaml(value: dict[str, Any] | list[Any]) -> list[str]:
    """Lines of block YAML."""
    lines = []
    entries = (
        [(f"{key}:", each) for key, each in value.items()]
        if isinstance(value, dict)
        else [("-", each) for each in value]
    )
    for lead, each in entries:
        nested = _yaml(each) if isinstance(each, dict | list) else []
        if not nested:
            lines.append(f"{lead} {_scalar(each)}")
        elif lead == "-":
            lines += [f"- {nested[0]}", *(f"  {line}" for line in nested[1:])]
        else:
            lines += [lead, *(f"  {line}" for line in nested)]
    return lines


def _scalar(value: Any) -> str:
    """As JSON, which YAML includes; but YAML 1.1 takes 1e-07 for text, and 1.0e-07 for a number."""
    text = json.dumps(value)
    number = isinstance(value, float) and "." not in text
    return text.replace("e", ".0e") if number else text

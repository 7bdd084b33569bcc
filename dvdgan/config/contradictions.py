"""Combinations of params that no run can satisfy, each in words."""

from collections.abc import Callable
from typing import Any

from dvdgan.config.schema import POOLED_PER_WIDTH
from dvdgan.protocols import PROTOCOLS, SMALL_I3D, incompatibilities


def contradictions(values: dict[str, Any]) -> list[str]:
    """Combinations that no run can satisfy, each in words.

    ``values`` is params.yaml flattened to dotted keys; a check whose values are missing or no
    numbers is left to the sections' own checks.
    """
    found = []
    for keys, allowed, message in _COMBINATIONS:
        numbers = [values.get(key) for key in keys]
        if all(isinstance(number, int | float) for number in numbers) and not allowed(*numbers):
            found.append(message.format(*numbers))
    return found + _unmeasurable(values)


def _unmeasurable(values: dict[str, Any]) -> list[str]:
    """Why features.protocols cannot measure this run; left to the sections where they are wrong."""
    keys = ("clip.frames", "model.conditioning_frames", "evaluate.samples")
    frames, given, samples = (values.get(key) for key in keys)
    names = values.get("features.protocols")
    if not (isinstance(names, list) and names and all(name in PROTOCOLS for name in names)):
        return []
    if not (isinstance(frames, int) and isinstance(given, int) and isinstance(samples, int)):
        return []
    found = incompatibilities(names, frames, given, samples)
    found = [f"features.protocols is {names}, but {reason}" for reason in found]
    components, width = values.get("monitor.components"), values.get("features.width")
    if isinstance(components, int) and isinstance(width, int):
        own = PROTOCOLS[names[0]].network == SMALL_I3D
        if own and components > POOLED_PER_WIDTH * width:
            found.append(
                f"monitor.components is {components}, but the pooled feature has only 8 x "
                f"features.width (8 x {width}) dimensions"
            )
    return found


_Combination = tuple[tuple[str, ...], Callable[..., bool], str]
_COMBINATIONS: list[_Combination] = [
    (
        ("model.spatial_frames", "clip.frames"),
        lambda k, frames: k <= frames,
        "model.spatial_frames is {0}, but a clip has only clip.frames = {1} frames: D_S draws k "
        "different frames, so set 1 <= model.spatial_frames <= {1}",
    ),
    (
        ("model.conditioning_frames", "clip.frames"),
        lambda given, frames: given < frames,
        "model.conditioning_frames is {0}, but a clip has only clip.frames = {1} frames: nothing "
        "would be left to predict; set model.conditioning_frames < {1}",
    ),
    (
        ("clip.resolution", "shard.short_side"),
        lambda resolution, short_side: resolution <= short_side,
        "clip.resolution is {0}, but shards store frames with a shorter side of shard.short_side = "
        "{1}: no {0} x {0} crop fits; set shard.short_side >= {0}",
    ),
    (
        ("train.guard.evaluate_every", "train.steps"),
        lambda every, steps: every <= steps,
        "train.guard.evaluate_every is {0}, but the run has only train.steps = {1}: nothing would "
        "be evaluated before the end; set train.guard.evaluate_every <= {1}",
    ),
    (
        ("train.guard.evaluate_every", "train.checkpoint_every"),
        lambda every, saved: saved < 1 or every % saved == 0,
        "train.guard.evaluate_every is {0}, when no checkpoint is saved: set it to a multiple of "
        "train.checkpoint_every = {1}",
    ),
    (
        ("train.batch_size", "train.accumulation"),
        lambda batch, parts: parts < 1 or batch % parts == 0,
        "train.batch_size is {0}, which train.accumulation = {1} parts cannot share evenly; set "
        "train.accumulation to a divisor of {0}",
    ),
    (
        ("index.min_short_side", "index.max_pixels"),
        lambda short_side, pixels: short_side**2 <= pixels,
        "index.min_short_side is {0}, but index.max_pixels = {1} is less than its square: every "
        "video would be refused",
    ),
]

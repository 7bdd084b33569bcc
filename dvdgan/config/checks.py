"""Checks across parameters: contradictions are errors, implausible values are warnings."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dvdgan.config.schema import POOLED_PER_WIDTH, Config
from dvdgan.protocols import PROTOCOLS, TRAINED, incompatibilities

# Larger numbers are mostly typos: the paper trains 300,000 steps.
MOST = 10_000_000
# Clips that are generated and measured (the paper: 50,000).
MOST_SAMPLES = 1_000_000
# Not counts: any seed is valid, and these limits are often set high.
ANY_NUMBER = ("seed", "max_pixels")
# Memory of the input clips of one forward pass; the largest GPUs have about this much.
BATCH_BYTES = 64 * 2**30
# GANs are not known to train with larger learning rates of Adam (the paper: 0.0001 and 0.0002).
MOST_RATE = 0.01


def contradictions(values: dict[str, Any]) -> list[str]:
    """Combinations of parameters that cannot run, one sentence each.

    ``values`` is params.yaml flattened to dotted keys. A check is skipped if its values are missing
    or not numbers; the sections report those.
    """
    found = []
    for keys, allowed, message in _COMBINATIONS:
        numbers = [values.get(key) for key in keys]
        if all(isinstance(number, int | float) for number in numbers) and not allowed(*numbers):
            found.append(message.format(*numbers))
    if values.get("index.source") == "csv" and values.get("index.table", "") is None:
        found.append(
            "index.source is csv, but index.table is null: set it to the CSV that lists the videos"
        )
    return found + _unmeasurable(values)


def _unmeasurable(values: dict[str, Any]) -> list[str]:
    """Why features.protocols cannot measure this run; skipped if the values are invalid."""
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
        own = PROTOCOLS[names[0]].network in TRAINED
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
        "different frames; set 1 <= model.spatial_frames <= {1}",
    ),
    (
        ("model.conditioning_frames", "clip.frames"),
        lambda given, frames: given < frames,
        "model.conditioning_frames is {0}, but a clip has only clip.frames = {1} frames: no "
        "frame would be left to predict; set model.conditioning_frames < {1}",
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
        "train.guard.evaluate_every is {0}, but the run has only train.steps = {1}: no "
        "checkpoint would be evaluated before the end; set train.guard.evaluate_every <= {1}",
    ),
    (
        ("train.guard.evaluate_every", "train.checkpoint_every"),
        lambda every, saved: saved < 1 or every % saved == 0,
        "train.guard.evaluate_every is {0}, but checkpoints are saved every "
        "train.checkpoint_every = {1} steps: set it to a multiple of {1}",
    ),
    (
        ("train.batch_size", "train.accumulation"),
        lambda batch, parts: parts < 1 or batch % parts == 0,
        "train.batch_size is {0}, which cannot be divided into train.accumulation = {1} equal "
        "parts; set train.accumulation to a divisor of {0}",
    ),
    (
        ("index.min_short_side", "index.max_pixels"),
        lambda short_side, pixels: short_side**2 <= pixels,
        "index.min_short_side is {0}, but index.max_pixels = {1} is less than its square: every "
        "video would be refused",
    ),
]


def warnings(config: Config) -> list[str]:
    """Values that are allowed but implausible, one line each, for `dvdgan check`.

    Relative paths start at the current folder.
    """
    return [*_paths(config), *_numbers(config), *_batches(config), *_train(config)]


def _paths(config: Config) -> Iterator[str]:
    root = config.index.root
    if "://" not in root and not Path(root).exists():
        yield f"index.root is {root}, which does not exist; relative paths start at {Path.cwd()}"


def _numbers(config: Config) -> Iterator[str]:
    for key, value in _leaves("", config.model_dump()):
        name = key.rpartition(".")[2]
        most = MOST_SAMPLES if name in ("samples", "kept_clips") else MOST
        if isinstance(value, int) and name not in ANY_NUMBER and value > most:
            yield f"{key} is {value}: a number above {most:,} is probably a typo; count the zeros"
    for key in ("generator_learning_rate", "discriminator_learning_rate"):
        rate = getattr(config.train, key)
        if rate > MOST_RATE:
            yield f"train.{key} is {rate:g}: above {MOST_RATE}, GANs rarely train"
    repeated = [each for each, count in Counter(config.evaluate.truncations).items() if count > 1]
    if repeated:
        values = ", ".join(map(str, repeated))
        yield f"evaluate.truncations has {values} more than once; each is measured separately"


def _batches(config: Config) -> Iterator[str]:
    clip = config.clip.frames * config.clip.resolution**2 * 3 * 4
    sizes = {
        "train.batch_size": config.train.batch_size // config.train.accumulation,
        "features.batch_size": config.features.batch_size,
        "export.standing_batch_size": config.export.standing_batch_size,
    }
    for key, clips in sizes.items():
        if clips * clip > BATCH_BYTES:
            whole = clips * clip / 2**30
            yield (
                f"{key} is so large that the {clips} clips of one forward pass take {whole:,.0f} "
                "GiB"
            )


def _train(config: Config) -> Iterator[str]:
    train = config.train
    if train.ema_start >= train.steps:
        yield (
            f"train.ema_start is {train.ema_start}, but the run has only train.steps = "
            f"{train.steps}: the weights are never averaged"
        )
    if train.preview_every > train.steps:
        yield (
            f"train.preview_every is {train.preview_every}, but the run has only train.steps = "
            f"{train.steps}: there will be no sample sheet"
        )
    if train.guard.samples > config.evaluate.samples:
        yield (
            f"train.guard.samples is {train.guard.samples}, more than evaluate.samples = "
            f"{config.evaluate.samples}: each checkpoint is measured on more clips than the model"
        )
    by_hash = config.index.source == "class_folders" and config.index.table is None
    if config.index.test_fraction == 0 and by_hash:
        yield "index.test_fraction is 0: there will be no test videos for comparison"


def _leaves(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value

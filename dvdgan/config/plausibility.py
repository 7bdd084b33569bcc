"""What a params file may say, but hardly means: warnings of `dvdgan check`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvdgan.config.schema import Config

# Numbers above it are mostly slips of a zero: the paper trains 300,000 steps.
MOST = 10_000_000
# Clips that are generated and measured (the paper: 50,000).
MOST_SAMPLES = 1_000_000
# Not counts: any number is as good as another, or a limit that many leave high.
ANY_NUMBER = ("seed", "max_pixels")
# Of the clips of one forward, before any network sees them; the largest GPUs have about as much.
BATCH_BYTES = 64 * 2**30
# Adam's learning rates above it are not known to train a GAN (the paper: 0.0001 and 0.0002).
MOST_RATE = 0.01


def warnings(config: Config) -> list[str]:
    """What is allowed and implausible, a line each; relative paths are those of this folder."""
    return [*_paths(config), *_numbers(config), *_batches(config), *_train(config)]


def _paths(config: Config) -> Iterator[str]:
    root, groups = config.index.root, config.index.groups
    if not Path(root).is_dir():
        state = "is not a folder" if Path(root).exists() else "does not exist"
        yield f"index.root is {root}, which {state}; relative paths begin at {Path.cwd()}"
    if groups is not None and not Path(groups).is_file():
        yield f"index.groups is {groups}, and there is no such file"


def _numbers(config: Config) -> Iterator[str]:
    for key, value in _leaves("", config.model_dump()):
        name = key.rpartition(".")[2]
        most = MOST_SAMPLES if name in ("samples", "kept_clips") else MOST
        if isinstance(value, int) and name not in ANY_NUMBER and value > most:
            yield f"{key} is {value}: a number above {most:,} is hardly meant; count the zeros"
    for key in ("generator_learning_rate", "discriminator_learning_rate"):
        rate = getattr(config.train, key)
        if rate > MOST_RATE:
            yield f"train.{key} is {rate:g}: above {MOST_RATE} hardly any GAN trains"
    repeated = [each for each, count in Counter(config.evaluate.truncations).items() if count > 1]
    if repeated:
        told = ", ".join(map(str, repeated))
        yield f"evaluate.truncations has {told} more than once: it is measured once more each time"


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
            yield f"{key} is so large that {clips} clips of one forward alone take {whole:,.0f} GiB"


def _train(config: Config) -> Iterator[str]:
    train = config.train
    if train.ema_start >= train.steps:
        yield (
            f"train.ema_start is {train.ema_start}, but the run has only train.steps = "
            f"{train.steps}: weights are never averaged"
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
    if config.index.test_fraction == 0:
        yield "index.test_fraction is 0: there will be no test videos to compare with"


def _leaves(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value

"""report: one self-contained page with everything a person wants to see of a run."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dvdgan.config import Config
from dvdgan.data.dataset import open_clips
from dvdgan.data.loader import reference_clips
from dvdgan.errors import UserError, redacted
from dvdgan.export.sampler import Sampler
from dvdgan.guard import ledger
from dvdgan.progress import track
from dvdgan.reporting.media import footage, picture
from dvdgan.reporting.page import ClassSamples, Content, Preview, render
from dvdgan.reporting.records import environment, read_records, read_table
from dvdgan.reporting.scores import numbers_table, unkeyed
from dvdgan.stages.artefacts import EVALUATE, INDEX, MODEL, MONITOR, REPORT, SHARDS, TRAIN
from dvdgan.storage.local import atomic_directory, read_json
from dvdgan.storage.output import check_stage_output

PAGE = REPORT / "index.html"


def run(config: Config, params: Path) -> None:
    """Gather what the other stages left and write artifacts/report/index.html.

    ``params``: the file ``config`` was read from, shown as it is.
    """
    check_stage_output(REPORT)
    measured = unkeyed(read_json(EVALUATE / "metrics.json"))
    content = Content(
        samples=_samples(config),
        conditioning_frames=config.model.conditioning_frames,
        previews=_previews(TRAIN / "samples"),
        measured=measured,
        sheets={title: picture(path) for title, path in _sheets().items() if path.is_file()},
        telemetry=read_records(TRAIN / "metrics.jsonl"),
        ledger=ledger.read(TRAIN / "ledger.jsonl"),
        drift=read_json(MONITOR / "summary.json"),
        data_set=read_json(INDEX / "summary.json"),
        refused=read_table(INDEX / "refused.csv"),
        params=redacted(params.read_text(encoding="utf-8")),
        environment=environment(),
    )
    with atomic_directory(REPORT) as folder:
        (folder / PAGE.name).write_text(render(content), encoding="utf-8")
    print(f"report: {PAGE.stat().st_size / 1e6:.1f} MB -> {PAGE}")


def show() -> None:
    """Print the numbers of the last report, and where its page is."""
    if not PAGE.is_file():
        raise UserError("there is no report yet", where=str(PAGE), todo="run `dvc repro`")
    print(numbers_table(unkeyed(read_json(EVALUATE / "metrics.json"))))
    print(f"The report: {PAGE.resolve().as_uri()}")


def _samples(config: Config) -> list[ClassSamples]:
    """Generated clips of the first classes beside real ones, asked for by the same names.

    In prediction the generated clips continue the real ones shown with them.
    """
    sampler = Sampler.load(MODEL)
    count = config.report.samples_per_class
    given = sampler.conditioning_frames
    names = sampler.classes[: config.report.max_classes]
    real = _real_clips(config, names, count)
    samples = []
    for label, name in enumerate(track(names, "report", len(names), "classes")):
        clips = real[name]
        if given and not clips:
            continue  # no training clip to continue
        labels = torch.full((len(clips) if given else count,), label, dtype=torch.int64)
        conditioning = _channels_first(clips)[:, :given] if given else None
        generated = sampler.sample(labels, config.evaluate.seed, label * count, conditioning)
        samples.append(
            ClassSamples(
                name=name,
                generated=footage(_channels_last(generated), sampler.fps, given),
                real=footage(np.stack(clips), sampler.fps, given) if clips else None,
            )
        )
    return samples


def _real_clips(config: Config, names: list[str], count: int) -> dict[str, list[NDArray[np.uint8]]]:
    """The first ``count`` training clips (T, H, W, 3) of each class in ``names``."""
    dataset = open_clips(SHARDS, "train", config.clip)
    found: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in names}
    for clips, labels in reference_clips(dataset, 1):
        for frames, label in zip(_channels_last(clips), labels.tolist(), strict=True):
            chosen = found.get(dataset.classes[label])
            if chosen is not None and len(chosen) < count:
                chosen.append(frames)
        if all(len(chosen) == count for chosen in found.values()):
            break
    return found


def _sheets() -> dict[str, Path]:
    titles = {
        "nearest_training_clips": "generated, then the nearest training clips",
        "interpolation_latents": "from one latent to another",
        "interpolation_classes": "from one class to another",
    }
    return {title: EVALUATE / "sheets" / name / "samples.png" for name, title in titles.items()}


def _channels_first(clips: list[NDArray[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(np.stack(clips)).permute(0, 1, 4, 2, 3)


def _channels_last(clips: torch.Tensor) -> NDArray[np.uint8]:
    return clips.permute(0, 1, 3, 4, 2).cpu().numpy()


def _previews(folder: Path) -> list[Preview]:
    """The first, middle and last of the sheets step-STEP.png."""
    steps = {int(path.stem.removeprefix("step-")): path for path in folder.glob("step-*.png")}
    ordered = sorted(steps)
    chosen = sorted({ordered[0], ordered[len(ordered) // 2], ordered[-1]}) if ordered else []
    return [Preview(f"after {step} steps", picture(steps[step])) for step in chosen]

"""report: one self-contained page about a run."""

import csv
import platform
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dvdgan.config import Config
from dvdgan.data.dataset import open_clips
from dvdgan.data.loader import reference_clips
from dvdgan.errors import UserError, redacted
from dvdgan.export.sampler import CONFIG, Sampler
from dvdgan.guard import ledger
from dvdgan.guard.origin import flat
from dvdgan.guard.run_folder import RunFolder
from dvdgan.progress import track
from dvdgan.reporting.assessment import assess
from dvdgan.reporting.identity import of_bundle, of_commit, of_training, paper_row
from dvdgan.reporting.media import embed_clips, embed_file
from dvdgan.reporting.page import ClassSamples, Content, TrainingPreview, render
from dvdgan.reporting.plot_tables import plot_tables
from dvdgan.reporting.scores import numbers_table, read_results
from dvdgan.reporting.side_by_side import ComparedRun, render_comparison
from dvdgan.stages.artefacts import EVALUATE, INDEX, MODEL, MONITOR, REPORT, RUNS, SHARDS, TRAIN
from dvdgan.storage.local import atomic_directory, atomic_file, read_json
from dvdgan.storage.output import check_stage_output
from dvdgan.storage.reading import reading
from dvdgan.yaml_file import read_yaml

PAGE = REPORT / "index.html"
LEDGER = "ledger.jsonl"
DATED = RUNS / "report" / "index.html"
COMPARISON = RUNS / "report" / "compare.html"
MOST_PREVIEWS = 16
PACKAGES = ("dvdgan", "torch", "numpy", "accelerate", "webdataset", "av", "evidently", "prefect")


def run(config: Config, params: Path) -> None:
    """Read the artefacts of the other stages and write artifacts/report: index.html, and plots.

    ``params``: the file of ``config``, shown on the page.
    """
    check_stage_output(REPORT)
    content = _content(config, params)
    tables = plot_tables(content.telemetry, content.ledger, content.measured)
    with atomic_directory(REPORT) as folder:
        (folder / PAGE.name).write_text(render(content), encoding="utf-8")
        for name, table in tables.items():
            path = folder / "plots" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(table, encoding="utf-8")
    print(f"report: {PAGE.stat().st_size / 1e6:.1f} MB -> {PAGE}")


def write_dated(config: Config, params: Path, price: float) -> None:
    """Write DATED: the page with commit, changed params, date, duration and cost of this run.

    They differ between runs of equal artifacts, so they are not part of the stage's output.
    ``price``: of a device hour; 0: not stated.
    """
    content = _content(config, params)
    conditions = _conditions()
    identity = content.identity | of_commit(params)
    run = RunFolder(RUNS / "train" / content.identity["run"])
    if run.timing.is_file():
        ended = datetime.fromtimestamp(run.timing.stat().st_mtime, UTC)
        identity |= of_training(ledger.read_records(run.timing), ended, conditions, price)
    DATED.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(DATED) as file:
        file.write_text(render(replace(content, identity=identity)), encoding="utf-8")
    print(f"report: {DATED.stat().st_size / 1e6:.1f} MB -> {DATED.resolve().as_uri()}")


def _conditions() -> dict[str, Any]:
    """Device, processes and torch of the training run; empty in older versions."""
    state: dict[str, Any] = read_json(TRAIN / "checkpoint" / "state.json")
    return dict(state.get("conditions", {}))


def _content(config: Config, params: Path) -> Content:
    bundle = read_json(MODEL / CONFIG)
    identity = of_bundle(bundle["facts"], _conditions())
    measured = read_results(EVALUATE)
    return Content(
        samples=_samples(config, Sampler.load(MODEL)),
        conditioning_frames=config.model.conditioning_frames,
        previews=_previews(TRAIN / "samples"),
        measured=measured,
        sheets={title: embed_file(path) for title, path in _sheets().items() if path.is_file()},
        telemetry=ledger.read_records(TRAIN / "metrics.jsonl"),
        ledger=ledger.read(TRAIN / LEDGER),
        drift=read_json(MONITOR / "summary.json"),
        data_set=read_json(INDEX / "summary.json"),
        refused=read_table(INDEX / "refused.csv"),
        params=redacted(params.read_text(encoding="utf-8")),
        environment=environment(),
        identity=identity | paper_row(config.clip, config.model, len(bundle["classes"])),
    )


def compare(config: Config, params: Path, other: str) -> None:
    """Write COMPARISON: the run of this folder compared with ``other``.

    ``other``: a folder with params.yaml and artifacts/, or a git revision whose artifacts are in
    DVC's cache or remote. Raises UserError for anything else.
    """
    with TemporaryDirectory() as aside:
        folder = Path(other) if Path(other).is_dir() else _of_revision(other, Path(aside))
        runs = [_compared("this run", Path(), params, config)]
        name = folder.resolve().name if Path(other).is_dir() else other
        runs.append(_compared(name, folder, folder / "params.yaml", config))
    COMPARISON.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(COMPARISON) as file:
        file.write_text(render_comparison(*runs), encoding="utf-8")
    print(f"report: {COMPARISON.stat().st_size / 1e6:.1f} MB -> {COMPARISON.resolve().as_uri()}")


def show() -> None:
    """Print the metrics of the last report, and the path of its page."""
    if not PAGE.is_file():
        raise UserError("the report does not exist yet", where=str(PAGE), todo="run `dvc repro`")
    measured = read_results(EVALUATE)
    with reading(EVALUATE, "the folder of an evaluation"):
        lines = assess(measured).sentence, numbers_table(measured)
    print("\n".join(lines))
    print(f"The report: {PAGE.resolve().as_uri()}")


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column name; empty if there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="backslashreplace", newline="") as file:
        return list(csv.DictReader(file))


def environment() -> dict[str, str]:
    """Versions of packages, and the machine; constant on one machine."""
    packages = {name: version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        **packages,
        "platform": platform.platform(),
        "machine": platform.machine(),
    }


def _of_revision(revision: str, folder: Path) -> Path:
    """Copy what `_compared` reads of a git revision to ``folder``; UserError if DVC cannot."""
    get = [sys.executable, "-m", "dvc", "get", "--rev", revision, "."]
    for path in (Path("params.yaml"), MODEL, EVALUATE, TRAIN / LEDGER):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([*get, str(path), "-o", str(target)], capture_output=True, text=True)
        if done.returncode != 0:
            raise UserError(
                f"{path} of {revision} cannot be read",
                where=redacted(done.stderr.strip()),
                todo="give a folder with params.yaml and artifacts/, or a revision with dvc.lock "
                "whose artifacts are in the cache (`dvc fetch`)",
            )
    return folder


def _compared(name: str, folder: Path, params: Path, config: Config) -> ComparedRun:
    """The run in ``folder``, with samples of the seed and number of ``config``."""
    for needed in (params, folder / MODEL, folder / EVALUATE):
        if not needed.exists():
            raise UserError(
                f"{folder} does not contain a finished run", where=f"{needed} is missing"
            )
    sampler = Sampler.load(folder / MODEL)
    return ComparedRun(
        name=name,
        measured=read_results(folder / EVALUATE),
        ledger=ledger.read(folder / TRAIN / LEDGER),
        params=flat(read_yaml(params)),
        videos={each.name: each.generated for each in _samples(config, sampler)},
        latent_dim=sampler.generator.architecture.latent_dim,
    )


def _samples(config: Config, sampler: Sampler) -> list[ClassSamples]:
    """Clips by ``sampler`` and real ones of its first classes.

    In prediction, the generated clips continue the real clips.
    """
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
                generated=embed_clips(_channels_last(generated), sampler.fps, given),
                real=embed_clips(np.stack(clips), sampler.fps, given) if clips else None,
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
    return {title: EVALUATE / "sheets" / name / "samples.mp4" for name, title in titles.items()}


def _channels_first(clips: list[NDArray[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(np.stack(clips)).permute(0, 1, 4, 2, 3)


def _channels_last(clips: torch.Tensor) -> NDArray[np.uint8]:
    return clips.permute(0, 1, 3, 4, 2).cpu().numpy()


def _previews(folder: Path) -> list[TrainingPreview]:
    """The sheets step-STEP of training, at most MOST_PREVIEWS at even distances; videos if any."""
    found = {int(path.stem.removeprefix("step-")): path for path in folder.glob("step-*.png")}
    found |= {int(path.stem.removeprefix("step-")): path for path in folder.glob("step-*.mp4")}
    steps = sorted(found)
    places = {round(place) for place in np.linspace(0, len(steps) - 1, MOST_PREVIEWS)}
    chosen = [step for place, step in enumerate(steps) if place in places]
    return [TrainingPreview(step, embed_file(found[step])) for step in chosen]

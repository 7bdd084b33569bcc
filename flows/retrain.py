"""Training on request: the whole pipeline with other params, in a copy of the work tree."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from prefect import State, flow, get_run_logger

from dvdgan.config import Config, load_config, parse_config
from dvdgan.errors import UserError, redacted
from flows.artifacts import show_results
from flows.graph import stages_in_order
from flows.labels import commit_tags, label_run, params_tag, stages_completed
from flows.stage import run_stage
from flows.tree_copy import copy_tree


@flow(name="retrain", persist_result=False)
def retrain(
    folder: str = ".",
    preset: str = "",
    steps: int = 0,
    seed: int = -1,
    videos: str = "",
) -> State[Any]:
    """Run the pipeline with other params without changing the work tree, its artefacts or dvc.lock.

    Works in .runs/retrain/FINGERPRINT, a copy that shares DVC's cache. After an interruption, the
    same request resumes. To adopt the result, copy params.yaml and dvc.lock from there and run `dvc
    checkout`.

    Args:
        folder: The work tree that is copied.
        preset: Name of a file in presets/, without .yaml, to start from. Empty: params.yaml.
        steps: train.steps. 0: as in the preset.
        seed: train.seed. -1: as in the preset.
        videos: index.root, a folder with one subfolder of videos per class. Empty: as in the
        preset.
    """
    root = Path(folder).resolve()
    config = requested(root, preset, steps, seed, videos)
    name = _name(preset, steps, seed, videos)
    label_run(name, [params_tag(config), *commit_tags(root)])
    tree = copy_tree(root, config)
    outcomes = {stage: run_stage(stage, str(tree)) for stage in stages_in_order(str(tree))}
    show_results(tree)
    get_run_logger().info(
        "to adopt the result: cp %s/params.yaml %s/dvc.lock %s && dvc checkout", tree, tree, root
    )
    return stages_completed(name, outcomes, {"tree": str(tree), "stages": outcomes})


def requested(folder: Path, preset: str, steps: int, seed: int, videos: str) -> Config:
    """The requested params. Raises UserError for an unknown preset and impossible params."""
    source = folder / "presets" / f"{preset}.yaml" if preset else folder / "params.yaml"
    if preset and not source.is_file():
        known = sorted(path.stem for path in source.parent.glob("*.yaml"))
        nearest = get_close_matches(preset, known, n=1) or known
        raise UserError(
            f"there is no preset {preset!r}",
            where=str(source.parent),
            todo=f"did you mean {nearest[0]}?" if nearest else "leave it empty to use params.yaml",
        )
    raw = load_config(source).model_dump()
    if steps:
        raw["train"]["steps"] = steps
    if seed != -1:
        raw["train"]["seed"] = seed
    if videos:
        raw["index"]["root"] = videos
    return parse_config(raw, source="the request")


def _name(preset: str, steps: int, seed: int, videos: str) -> str:
    """What is requested, as the run's name: demo, steps 600, seed 1."""
    words = [
        preset or "params.yaml",
        f"steps {steps}" if steps else "",
        f"seed {seed}" if seed != -1 else "",
        redacted(videos),
    ]
    return ", ".join(filter(None, words))

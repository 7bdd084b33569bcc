"""Training on request: the whole pipeline with other params, in a copy of the work tree."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from dvdgan.config import Config, load_config, parse_config
from dvdgan.config.section import Count, Seed
from dvdgan.errors import UserError
from flows.artifacts import show_results
from flows.graph import stages_in_order
from flows.stage import run_stage
from flows.tree_copy import copy_tree


@flow(name="retrain", persist_result=False)
def retrain(
    folder: str = ".",
    preset: str | None = None,
    steps: Count | None = None,
    seed: Seed | None = None,
    videos: str | None = None,
) -> dict[str, Any]:
    """Run the pipeline with other params and leave the work tree, its artefacts and its lock alone.

    Works in .runs/retrain/FINGERPRINT, a copy that shares DVC's cache; the same request goes on
    where it stopped. Like it? Copy params.yaml and dvc.lock from there and run `dvc checkout`.

    Args:
        folder: The work tree that is copied.
        preset: Name of a file of presets/, without .yaml, to begin from. Empty: params.yaml.
        steps: train.steps. Empty: as in the preset.
        seed: train.seed. Empty: as in the preset.
        videos: index.root, the folder of videos, one folder in it for each class. Empty: as in the
            preset.
    """
    root = Path(folder).resolve()
    config = requested(root, preset, steps, seed, videos)
    tree = copy_tree(root, config)
    outcomes = {stage: run_stage(stage, str(tree)) for stage in stages_in_order(str(tree))}
    show_results(tree)
    get_run_logger().info(
        "to take it over: cp %s/params.yaml %s/dvc.lock %s && dvc checkout", tree, tree, root
    )
    return {"tree": str(tree), "stages": outcomes}


def requested(
    folder: Path, preset: str | None, steps: int | None, seed: int | None, videos: str | None
) -> Config:
    """The requested params. Raises UserError for an unknown preset and impossible params."""
    source = folder / "params.yaml" if preset is None else folder / "presets" / f"{preset}.yaml"
    if preset is not None and not source.is_file():
        known = sorted(path.stem for path in source.parent.glob("*.yaml"))
        nearest = get_close_matches(preset, known, n=1) or known
        raise UserError(
            f"there is no preset {preset!r}",
            where=str(source.parent),
            todo=f"did you mean {nearest[0]}?" if nearest else "give none, to use params.yaml",
        )
    raw = load_config(source).model_dump()
    changed = {"steps": steps, "seed": seed}
    raw["train"] |= {name: value for name, value in changed.items() if value is not None}
    if videos is not None:
        raw["index"]["root"] = videos
    return parse_config(raw, source="the request")

"""The whole pipeline as one flow: every stage of dvc.yaml is a task, run by DVC itself."""

from pathlib import Path
from typing import Any

from prefect import State, flow

from dvdgan.config import load_config
from flows.artifacts import show_results
from flows.graph import stages_in_order
from flows.labels import commit_tags, label_run, params_tag, stages_completed
from flows.stage import run_stage

NAME = "every stage"


@flow(name="pipeline", persist_result=False)
def pipeline(folder: str = ".") -> State[Any]:
    """Run every stage of dvc.yaml in order; stages that are up to date are skipped.

    Writes the same artefacts and dvc.lock as `dvc repro`, and returns "ran", "restored" or
    "skipped" for each stage. params.yaml is checked first.

    Args:
        folder: The work tree: the folder with dvc.yaml and params.yaml.
    """
    config = load_config(Path(folder) / "params.yaml")
    label_run(NAME, [params_tag(config), *commit_tags(Path(folder))])
    outcomes = {stage: run_stage(stage, folder) for stage in stages_in_order(folder)}
    show_results(Path(folder))
    return stages_completed(NAME, outcomes, outcomes)

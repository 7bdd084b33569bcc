"""The whole pipeline as one flow: every stage of dvc.yaml is a task, run by DVC itself."""

from pathlib import Path

from prefect import flow

from dvdgan.config import load_config
from flows.artifacts import show_results
from flows.graph import stages_in_order
from flows.stage import run_stage


@flow(name="pipeline", persist_result=False)
def pipeline(folder: str = ".") -> dict[str, str]:
    """Run every stage of dvc.yaml in order; what is up to date is skipped.

    Gives the same artefacts and the same dvc.lock as `dvc repro`. params.yaml is checked first.

    Args:
        folder: The work tree, the folder that holds dvc.yaml and params.yaml.
    """
    load_config(Path(folder) / "params.yaml")
    outcomes = {stage: run_stage(stage, folder) for stage in stages_in_order(folder)}
    show_results(Path(folder))
    return outcomes

"""Every stage before train, on one machine or several."""

from pathlib import Path
from typing import Any

from prefect import State, flow, task
from prefect.cache_policies import NO_CACHE

from dvdgan.config import load_config
from dvdgan.config.section import Count
from dvdgan.errors import UserError
from dvdgan.storage.local import sha256_of_file
from flows.events import emit_new_data
from flows.graph import is_divisible, is_up_to_date, stages_before
from flows.labels import commit_tags, label_run, params_tag, stages_completed
from flows.stage import logged, run_stage

NAME = "stages before train"


@flow(name="preprocess", persist_result=False)
def preprocess(
    folder: str = ".", scheduler: str = "", parts: Count = 16, new_listing: bool = True
) -> State[Any]:
    """Run every stage that train needs; stages that are up to date are skipped.

    If the videos have changed since the last run, the event `dvdgan.data.changed` is emitted.

    With a Dask scheduler, its workers probe the videos and write the shards in parallel, and `dvc
    repro` on this machine uses the results. Artefacts and dvc.lock are the same as on one machine.

    Args:
        folder: The work tree; Dask's workers need it at the same path.
        scheduler: Address of a Dask scheduler, such as tcp://10.0.0.1:8786. Empty: this machine.
        parts: Number of tasks into which the work is divided; use a few per worker.
        new_listing: If index.root is a listing, list the videos again first.
    """
    config = load_config(Path(folder) / "params.yaml")
    label_run(NAME, [params_tag(config), *commit_tags(Path(folder))])
    if new_listing and (Path(folder) / config.index.root).is_file():
        logged(["dvdgan", "listing", config.index.root], folder)
    logged(["dvdgan", "check"], folder)  # before DVC waits for ever at a pipe
    manifest = Path(folder).resolve() / "artifacts/index/manifest.parquet"
    before = sha256_of_file(manifest) if manifest.is_file() else None
    outcomes = {}
    for stage in stages_before("train", folder):
        if scheduler and is_divisible(stage, folder) and not is_up_to_date(stage, folder):
            run_on(scheduler, stage, str(Path(folder).resolve()), parts)
        outcomes[stage] = run_stage(stage, folder)
    now = sha256_of_file(manifest)
    if before not in (None, now):
        emit_new_data(str(Path(folder).resolve()), {"manifest_before": before, "manifest": now})
    return stages_completed(NAME, outcomes, outcomes)


def run_on(scheduler: str, stage: str, folder: str, parts: int) -> None:
    """Do the work of ``stage``, which is divisible, on the workers of a Dask scheduler, in .runs.

    Raises UserError when Dask is not installed.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise UserError(
            f"Dask is not installed: {error}", todo="run `pip install 'dvdgan[dask]'`"
        ) from error
    runner: Any = DaskTaskRunner(address=scheduler)  # typed as no runner of Prefect's own is
    stage_in_parts.with_options(task_runner=runner)(stage, folder, parts)


@flow(name="stage in parts", persist_result=False)
def stage_in_parts(stage: str, folder: str, parts: int) -> None:
    """Do the work of ``stage`` by as many tasks as ``parts``."""
    tasks = [run_part.submit(stage, folder, part, parts) for part in range(1, parts + 1)]
    for each in tasks:
        each.result()


# A machine may go, or its disk fill up; what is finished is kept.
@task(
    task_run_name="{stage}, part {part} of {parts}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=5,
)
def run_part(stage: str, folder: str, part: int, parts: int) -> None:
    """Do one part of the work of ``stage`` (`dvdgan STAGE --part`)."""
    logged(["dvdgan", stage, "--part", f"{part}/{parts}"], folder)

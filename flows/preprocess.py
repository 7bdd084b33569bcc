"""From videos to what training reads: every stage before train, on this machine or on many."""

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from dvdgan.config import load_config
from dvdgan.config.section import Count
from dvdgan.errors import UserError
from dvdgan.storage.local import sha256_of_file
from flows.events import emit_new_data
from flows.graph import is_up_to_date, stages_before
from flows.stage import logged, run_stage


@flow(name="preprocess", persist_result=False)
def preprocess(
    folder: str = ".", scheduler: str | None = None, parts: Count = 16
) -> dict[str, str]:
    """Run every stage that train needs; what is up to date is skipped.

    Videos that are new since the last time emit the event `dvdgan.data.changed`.

    With a Dask scheduler its workers write the shards side by side, and `dvc repro` on this machine
    finds them written: the same bytes, and the same dvc.lock, as on one machine.

    Args:
        folder: The work tree; Dask's workers have to see it under the same path.
        scheduler: Address of a Dask scheduler, such as tcp://10.0.0.1:8786. Empty: this machine.
        parts: Tasks the shards are dealt to; a few for each worker, so that the last ones end
            together.
    """
    load_config(Path(folder) / "params.yaml")
    manifest = Path(folder).resolve() / "artifacts/index/manifest.parquet"
    before = sha256_of_file(manifest) if manifest.is_file() else None
    outcomes = {}
    for stage in stages_before("train", folder):
        if stage == "shard" and scheduler and not is_up_to_date(stage, folder):
            shard_on(scheduler, str(Path(folder).resolve()), parts)
        outcomes[stage] = run_stage(stage, folder)
    now = sha256_of_file(manifest)
    if before not in (None, now):
        emit_new_data(str(Path(folder).resolve()), {"manifest_before": before, "manifest": now})
    return outcomes


def shard_on(scheduler: str, folder: str, parts: int) -> None:
    """Write all shards into .runs/shard, by the workers of a Dask scheduler.

    Raises UserError when Dask is not installed.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise UserError(
            f"Dask is not installed here: {error}", todo="pip install 'dvdgan[dask]'"
        ) from error
    runner: Any = DaskTaskRunner(address=scheduler)  # typed as no runner of Prefect's own is
    shard_in_parts.with_options(task_runner=runner)(folder, parts)


@flow(name="shard in parts", persist_result=False)
def shard_in_parts(folder: str, parts: int) -> None:
    """Write all shards into .runs/shard, by as many tasks as ``parts``."""
    tasks = [write_part.submit(folder, part, parts) for part in range(1, parts + 1)]
    for each in tasks:
        each.result()


# A machine may go, or its disk fill up; finished shards are kept.
@task(
    task_run_name="part {part} of {parts}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=5,
)
def write_part(folder: str, part: int, parts: int) -> None:
    """Write the shards of one part (`dvdgan shard --part`)."""
    logged(["dvdgan", "shard", "--part", f"{part}/{parts}"], folder)

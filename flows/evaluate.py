"""The scheduled evaluation: newest best checkpoint, bundle, drift, gate, publication."""

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from dvdgan.config.section import Fraction
from dvdgan.errors import UserError
from dvdgan.storage.open_store import open_store
from dvdgan.storage.store import StoreUnavailableError
from flows import history
from flows.artifacts import show_metrics, show_results
from flows.evaluation_target import EvaluationTarget, find_target
from flows.graph import stages_after
from flows.labels import commit_tags, label_run
from flows.publication import check_publication, publish_bundle
from flows.stage import logged, run_stage


@flow(name="evaluate", persist_result=False)
def evaluate(
    folder: str = ".",
    run: str = "",
    step: int = 0,
    max_fvd: float = 0,
    max_fid: float = 0,
    min_is: float = 0,
    max_drifted: Fraction = 1,
    publish_to: str = "",
) -> State[Any]:
    """Measure the newest best checkpoint as an exported bundle, and publish it if it is good
    enough.

    A run that is still training is not disturbed: its checkpoint is linked into a separate work
    tree, .runs/evaluate/RUN-STEP, and measured there. The checkpoint of a finished run is measured
    by DVC's stages. Each checkpoint is measured once. `make evidently` shows all measurements over
    time.

    The flow fails and publishes nothing if a value is worse than its limit.

    Args:
        folder: The work tree of the run.
        run: Name of the run's folder in .runs/train. Empty: the run that was evaluated last.
        step: A step whose checkpoint was the best when it was evaluated. 0: the newest.
        max_fvd: Fail above this FVD. 0: no limit.
        max_fid: Fail above this FID. 0: no limit.
        min_is: Fail below this Inception Score. 0: no limit.
        max_drifted: Fail when more than this share of the feature columns drifts from the real
            clips. 1: no limit.
        publish_to: Folder or s3://BUCKET/PREFIX to which a good bundle is published. Empty: not
        published.
    """
    target = find_target(Path(folder).resolve(), run or None, step or None)
    if target is None:
        return Completed(message="there is no best checkpoint yet", data=None)
    label_run(
        f"run {target.run.root.name}, step {target.step}",
        [f"run:{target.run.root.name}", *commit_tags(target.folder)],
    )
    if publish_to:
        check_place(publish_to, target.name)
    where, name = target.folder, target.run.root.name
    found = history.find_entry(where, name, target.step)
    if found is None or not _is_kept(found, target):
        tree = _measure(target)
        found = history.add_entry(where, name, target.step, tree)
        history.update_workspace(where)
        show_results(tree)
        described = history.describe(found)
    else:
        described = f"{history.describe(found)}; already measured"
    get_run_logger().info(described)
    curves = f"Curves over time: `make evidently`, run in {where}."
    show_metrics("evaluations", history.newest_rows(where, 20), note=curves)
    check(
        found,
        max_fvd=max_fvd or None,
        max_fid=max_fid or None,
        min_is=min_is or None,
        max_drifted=max_drifted if max_drifted < 1 else None,
    )
    if publish_to:
        publish(found, str(where), target.name, publish_to)
    return Completed(message=described, data=found)


def check_place(url: str, name: str) -> None:
    """Raise UserError if ``name`` cannot be published, before it is measured.

    A store that does not answer is tried again when there is something to publish.
    """
    try:
        check_publication(open_store(url), name)
    except StoreUnavailableError as error:
        get_run_logger().warning("%s; publishing is retried after the evaluation", error)


def check(
    found: history.EvaluationEntry,
    max_fvd: float | None,
    max_fid: float | None,
    min_is: float | None,
    max_drifted: float | None,
) -> None:
    """Raise UserError that names every number of ``found`` that is worse than allowed.

    A number that is not finite is worse than any limit.
    """
    limits = [
        ("FVD", history.value_of(found, "FVD"), "above", "max_fvd", max_fvd),
        ("FID", history.value_of(found, "FID"), "above", "max_fid", max_fid),
        ("IS", history.value_of(found, "IS"), "below", "min_is", min_is),
        ("the share of drifted columns", found["drifted"], "above", "max_drifted", max_drifted),
    ]
    wrong = []
    for what, value, side, parameter, limit in limits:
        if limit is None:
            continue
        if value is None or (value > limit if side == "above" else value < limit):
            problem = "not finite" if value is None else f"{value:.4g}, {side} the {limit:.4g}"
            wrong.append(f"{what} is {problem} ({parameter})")
    if wrong:
        raise UserError(
            f"step {found['step']} of run {found['run']} is not good enough: {'; '.join(wrong)}",
            where=found["tree"],
            todo="see its report; nothing was published",
        )


def _is_kept(found: history.EvaluationEntry, target: EvaluationTarget) -> bool:
    """Whether the bundle that was measured is there still: DVC's may be another run's by now."""
    return found["tree"] != "." or target.is_published


def _measure(target: EvaluationTarget) -> Path:
    """Bring the stages after train up to date for ``target``; the work tree they are in."""
    after = stages_after("train", str(target.folder))
    if target.is_published:
        for stage in after:
            run_stage(stage, str(target.folder))
        return target.folder
    tree = target.lay_out()
    for stage in after:
        run_plainly(stage, str(tree))
    return tree


@task(task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def run_plainly(stage: str, tree: str) -> None:
    """Run one stage's command in a work tree that DVC does not know."""
    logged(["dvdgan", stage], tree)


def _may_pass(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether what went wrong is the network or the store, which may come back."""
    return isinstance(state.result(raise_on_failure=False), StoreUnavailableError)


@task(
    task_run_name="publish",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=_may_pass,
)
def publish(found: history.EvaluationEntry, folder: str, name: str, url: str) -> None:
    """Copy the bundle and its report to ``url``/NAME; then name it in ``url``/newest.json."""
    publish_bundle(open_store(url), name, Path(folder) / found["tree"], found)

"""The stages of the pipeline, in the order of DVC's own graph: there is no other list of them."""

from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any


def stages_in_order(folder: str) -> list[str]:
    """Names of all stages of ``folder``/dvc.yaml, each after those it depends on."""
    with repository(folder) as repo:
        return _ordered(repo)


def stages_before(stage: str, folder: str) -> list[str]:
    """Names of the stages that ``stage`` needs, in order."""
    import networkx

    with repository(folder) as repo:
        needed = networkx.descendants(repo.index.graph, _named(repo, stage))
        names = {each.addressing for each in needed}
        return [name for name in _ordered(repo) if name in names]


def stages_after(stage: str, folder: str) -> list[str]:
    """Names of the stages that need ``stage``, in order."""
    import networkx

    with repository(folder) as repo:
        needing = networkx.ancestors(repo.index.graph, _named(repo, stage))
        names = {each.addressing for each in needing}
        return [name for name in _ordered(repo) if name in names]


def is_up_to_date(stage: str, folder: str) -> bool:
    """Whether `dvc repro` would find nothing changed in ``stage``."""
    with repository(folder) as repo:
        return not repo.status(targets=[stage])


def is_divisible(stage: str, folder: str) -> bool:
    """Whether machines can share the work of ``stage``: `dvdgan STAGE --part I/N`."""
    with repository(folder) as repo:
        return bool((_named(repo, stage).meta or {}).get("divisible"))


def cache_folder(folder: str) -> Path:
    """Where DVC keeps every version of the artefacts of ``folder``."""
    with repository(folder) as repo:
        return Path(repo.cache.local.path).parents[1]


@contextmanager
def repository(folder: str) -> Iterator[Any]:
    """DVC's Repo of ``folder``, with that as working folder."""
    from dvc.repo import Repo  # slow, needed only when a flow runs

    # DVC names stages as seen from the working folder.
    with chdir(folder), Repo() as repo:
        yield repo


def ordered_stages(repo: Any) -> list[Any]:
    """DVC's stages, each after those it depends on."""
    import networkx

    order = networkx.topological_sort(repo.index.graph)  # edges lead to what a stage needs
    return list(reversed(list(order)))


def _ordered(repo: Any) -> list[str]:
    return [stage.addressing for stage in ordered_stages(repo)]


def _named(repo: Any, name: str) -> Any:
    return next(stage for stage in repo.index.stages if stage.addressing == name)

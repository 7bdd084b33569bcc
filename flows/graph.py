"""The pipeline's stages, in the order DVC's own graph gives: the only list there is."""

from contextlib import chdir


def stages_in_order(folder: str) -> list[str]:
    """Names of all stages of ``folder``/dvc.yaml, each after those it depends on."""
    # Slow imports, needed only when a flow runs.
    import networkx
    from dvc.repo import Repo

    # DVC names stages as seen from the working folder.
    with chdir(folder), Repo() as repo:
        graph = repo.index.graph  # edges point from a stage to what it needs
        order = list(networkx.topological_sort(graph))
        return [stage.addressing for stage in reversed(order)]

"""The pipeline's stages, in the order DVC's own graph gives: the only list there is."""


def stages_in_order(folder: str) -> list[str]:
    """Names of all stages of ``folder``/dvc.yaml, each after those it depends on."""
    # Slow imports, needed only when a flow runs.
    import networkx
    from dvc.repo import Repo

    with Repo(folder) as repo:
        graph = repo.index.graph  # edges point from a stage to what it needs
        order = list(networkx.topological_sort(graph))
    return [stage.addressing for stage in reversed(order)]

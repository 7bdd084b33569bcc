"""variant.sh of infra/slurm in a job array on a real Slurm: two seeds train, one comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from slurm_cluster import PROJECT, Slurm, slurm
from tiny_pipeline import ALL, run_stages, tiny

from dvdgan.stages import train
from dvdgan.storage.local import read_json

STEPS = 40

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Slurm]:
    with slurm(tmp_path) as cluster:
        yield cluster


def test_two_tasks_of_an_array_train_at_once(
    cluster: Slurm, synthetic_videos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    params = tiny(synthetic_videos)
    params["train"] |= {"steps": STEPS, "checkpoint_every": STEPS // 2, "preview_every": STEPS}
    params["train"]["guard"]["evaluate_every"] = STEPS // 2
    run_stages(params, folder, ALL[: ALL.index(train)])
    with (folder / "one.yaml").open("w") as file:
        YAML().dump(params, file)

    array = cluster.run(
        *("sbatch", "--parsable", "--array", "0-1", "--nodes", "1", "--chdir", str(folder)),
        *("--output", f"{cluster.folder}/job-%A-%a.out", "infra/slurm/train.sbatch"),
        *(str(PROJECT / "infra/slurm/variant.sh"), "one.yaml"),
        SEEDS="2",
    )
    tasks = [f"{array}_{each}" for each in range(2)]
    trees = [folder / f".runs/ablation/one-seed{each}" for each in range(2)]
    for tree in trees:
        cluster.wait("no step", lambda tree=tree: any(tree.glob(".runs/train/*/metrics.jsonl")))
    assert [cluster.state(task) for task in tasks] == ["RUNNING", "RUNNING"]

    cluster.run("scancel", "--batch", "--signal", "USR1", tasks[0])
    cluster.wait("not queued again", lambda: "Restarts=1" in cluster.show(tasks[0]))
    for task in tasks:
        cluster.wait("no end", lambda task=task: cluster.state(task) == "COMPLETED")
    assert "Restarts=0" in cluster.show(tasks[1])
    assert not (folder / "artifacts" / "train").exists()
    for seed, tree in enumerate(trees):
        (run,) = tree.glob(".runs/train/*")
        assert read_json(run / "settings.json")["train"]["seed"] == seed
        metrics = (tree / "artifacts" / "train" / "metrics.jsonl").read_bytes()
        assert metrics.count(b"\n") == STEPS
        assert metrics == (run / "metrics.jsonl").read_bytes()

"""What processes exchange in a real train step is what the prediction counts, to the byte."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from counted_step import Alone, Exchanged, count_step
from torch import distributed

from dvdgan.scaling.workload import Workload, batch_norm_messages, read_workload

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "presets" / "demo.yaml"
ACCUMULATION = 2
FLOAT = 4


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    """That of the demo with the three classes of counted_step.py."""
    shards = tmp_path / "artifacts" / "shards"
    shards.mkdir(parents=True)
    (shards / "index.json").write_text(json.dumps({"classes": list("abc")}))
    return read_workload(DEMO, tmp_path).accumulated(ACCUMULATION)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    try:
        distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    except RuntimeError as error:
        pytest.skip(f"Gloo has no interface here: {error}")
    yield
    distributed.destroy_process_group()


def assert_is_predicted(found: Exchanged, workload: Workload) -> None:
    assert {name for name, _ in found} == {"gloo:all_reduce"}
    sizes = Counter({size: count for (_, size), count in found.items()})
    forward, backward = batch_norm_messages(
        workload.batch_norms, workload.discriminator_steps, ACCUMULATION, "cpu"
    )
    norms = Counter(size // FLOAT for size in forward + backward)
    assert norms <= sizes
    rest = sizes - norms
    assert FLOAT * sum(size * count for size, count in rest.items()) == (
        workload.discriminator_steps * workload.discriminator_gradients
        + workload.generator_gradients
    )
    # DistributedDataParallel's first bucket has 1 MiB, which all gradients of the demo fit.
    assert sum(rest.values()) == workload.discriminator_steps + 1


def test_a_step_exchanges_what_is_predicted(process_group: None, workload: Workload) -> None:
    assert_is_predicted(count_step(DEMO, ACCUMULATION, Alone()), workload)


@pytest.mark.long
def test_so_do_two_processes_of_a_trainer(workload: Workload) -> None:
    try:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    except OSError as error:
        pytest.skip(f"processes cannot listen here: {error}")
    shared = {
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
    }
    program = [sys.executable, str(Path(__file__).with_name("counted_step.py"))]
    started = [
        subprocess.Popen(
            [*program, str(DEMO), str(ACCUMULATION)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=240)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    lines = json.loads(outputs[0].splitlines()[-1])
    assert_is_predicted(Counter({(name, size): count for name, size, count in lines}), workload)

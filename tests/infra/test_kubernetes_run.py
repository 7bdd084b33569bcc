"""The pods of infra/kubernetes as processes: commands and variables of the build, in network
namespaces, each with an empty disk of its own. There is no cluster."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest
import yaml
from docker.utils.build import exclude_paths
from kubernetes_files import FOLDER, ROOT, Resource, build, named, pods, variables
from lax_guard import LAX
from moto.server import ThreadedMotoServer
from network_hosts import Host, Network, network
from s3_server import ENVIRONMENT

from dvdgan.guard.run_folder import step_of

pytestmark = pytest.mark.long
TOOLS = Path(sys.executable).parent
STEPS = 60


@dataclass
class Pod:
    """One pod of a workload, on a host."""

    process: "subprocess.Popen[bytes]"
    host: Host
    project: Path
    log: Path

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def saved(self) -> int:
        """The step of its newest checkpoint; 0: there is none."""
        found = self.project.glob(".runs/train/*/checkpoints/step-*")
        return max((step_of(path) for path in found if path.suffix == ""), default=0)

    def kill(self) -> None:
        """Its node loses its power and its disk."""
        self.host.kill_all()
        self.process.wait()
        shutil.rmtree(self.project)


@dataclass
class Cluster:
    """What runs pods: the build, the image, the hosts and the store."""

    resources: list[Resource]
    image: Path
    hosts: Network
    folder: Path
    store: str
    started: list[Pod] = field(default_factory=list)

    def names(self, first: Host) -> None:
        """What the headless Service answers: the address of pod 0."""
        for host in self.hosts.hosts:
            file = Path("/etc/netns") / host.name / "hosts"
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("w") as names:
                names.write(f"127.0.0.1 localhost\n{first.address} train-0.train\n")

    def start(self, workload: str, host: Host, index: int = 0) -> Pod:
        """A pod of ``workload`` on ``host``."""
        [container] = pods(self.resources)[workload]["spec"]["containers"]
        place = self.folder / f"{workload}-{index}-{len(self.started)}"
        project = place / "project"
        project.mkdir(parents=True)
        given = variables(container, self.resources) | ENVIRONMENT
        given |= {
            "AWS_ENDPOINT_URL": self.store,
            "DVDGAN_SHARD_CACHE": str(place / "cache"),
            "JOB_COMPLETION_INDEX": str(index),
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.image),
            "HOME": str(place),
            "OMP_NUM_THREADS": "1",
        }
        log = place / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                host.inside(str(self.image / "infra/docker/work_tree.sh"), *container["args"]),
                cwd=project,
                env=given,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        pod = Pod(process, host, project, log)
        self.started.append(pod)
        return pod

    def finish(self, pod: Pod, seconds: float) -> None:
        """Wait until the pod has ended well."""
        try:
            code = pod.process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        assert code == 0, self.outputs()

    def outputs(self) -> str:
        return "\n".join(f"--- {pod.log.parent.name}\n{pod.output()}" for pod in self.started)

    def await_step(self, pod: Pod, step: int, seconds: float = 300) -> None:
        """Wait until ``pod`` has saved a checkpoint of ``step`` or later."""
        deadline = time.monotonic() + seconds
        while pod.saved() < step:
            assert pod.process.poll() is None, self.outputs()
            assert time.monotonic() < deadline, self.outputs()
            time.sleep(0.1)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The image's files, with params of a short run."""
    patterns = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    target = tmp_path / "image"
    for name in exclude_paths(str(ROOT), [line for line in patterns if line[:1] not in ("", "#")]):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    params = yaml.safe_load((target / "params.yaml").read_text("utf-8"))
    params["features"]["steps"] = 5
    params["train"] |= {"steps": STEPS, "batch_size": 4, "checkpoint_every": 5}
    params["train"] |= {"preview_every": STEPS, "ema_start": 0}
    params["train"]["guard"] |= {"evaluate_every": STEPS // 2, "samples": 32, "thresholds": LAX}
    (target / "params.yaml").write_text(yaml.safe_dump(params))
    return target


@pytest.fixture
def cluster(tmp_path: Path, image: Path) -> Iterator[Cluster]:
    kustomization = {
        "resources": [os.path.relpath(FOLDER / "overlays/small", tmp_path / "overlay")],
        "patches": [
            {
                "target": {"kind": "Job", "name": "train"},
                "patch": yaml.safe_dump(
                    [
                        {"op": "replace", "path": "/spec/completions", "value": 2},
                        {
                            "op": "replace",
                            "path": "/spec/template/spec/containers/0/env/0/value",
                            "value": "2",
                        },
                    ]
                ),
            }
        ],
    }
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay/kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    with network(3) as hosts:
        server = ThreadedMotoServer(ip_address=hosts.address, port=0, verbose=False)
        server.start()
        try:
            store = "http://{}:{}".format(*server.get_host_and_port())
            with pytest.MonkeyPatch.context() as patch:
                for name, value in ENVIRONMENT.items():
                    patch.setenv(name, value)
                client = boto3.client("s3", endpoint_url=store)
            for bucket in ("shards", "runs", "dvc"):
                client.create_bucket(Bucket=bucket)
            found = Cluster(build(tmp_path / "overlay"), image, hosts, tmp_path / "pods", store)
            yield found
        finally:
            server.stop()


def test_pods_without_common_files_train_through_the_loss_of_each(cluster: Cluster) -> None:
    first, second, third = cluster.hosts.hosts
    job = named(cluster.resources, "Job", "train")["spec"]
    assert job["completions"] == 2
    cluster.finish(cluster.start("prepare", first), 400)

    cluster.names(first)
    other = cluster.start("train", second, 1)
    leader = cluster.start("train", first, 0)
    cluster.await_step(leader, 5)

    # A pod that trains alone is lost, and recreated on an empty disk.
    other.kill()
    other = cluster.start("train", second, 1)
    cluster.await_step(leader, leader.saved() + 10)

    # Pod 0 is lost with the run folder, and recreated on another node.
    time.sleep(5)  # the backup follows within seconds
    leader.kill()
    cluster.names(third)
    leader = cluster.start("train", third, 0)
    cluster.finish(leader, 400)
    assert "restored step" in leader.output()
    assert f"train: {STEPS} steps" in leader.output()

    # The Job ends with pod 0, and stops the other one.
    other.process.send_signal(signal.SIGTERM)
    assert other.process.wait(120) == 75
    assert not (other.project / "artifacts").exists()
    assert not list((other.project / ".runs").glob("train/*/checkpoints"))

    last = cluster.start("finish", second)
    cluster.finish(last, 400)
    assert (last.project / "artifacts/report/index.html").is_file()
    again = cluster.start("finish", second)
    cluster.finish(again, 100)
    assert again.output().count("is up to date") == 4

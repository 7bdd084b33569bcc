"""infra/kubernetes against Kubernetes' own schemas, against each other, and against the code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dvdgan.guard.trainer_process import STOP_GRACE_SECONDS
from dvdgan.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "infra" / "kubernetes").glob("*.yaml"))
VERSIONS = ("1.28", "1.37")  # the oldest and the newest the files are for


def resources() -> list[dict[str, Any]]:
    """All manifests of all files."""
    return [each for path in FILES for each in yaml.safe_load_all(path.read_text("utf-8"))]


def named(kind: str, name: str) -> dict[str, Any]:
    [found] = [
        each for each in resources() if each["kind"] == kind and each["metadata"]["name"] == name
    ]
    return found


def pods() -> list[dict[str, Any]]:
    """The pod template of every workload."""
    return [each["spec"]["template"] for each in resources() if "template" in each["spec"]]


def variables(pod: dict[str, Any]) -> dict[str, str]:
    [container] = pod["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_takes(version: str) -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="the schemas come with kubernetes-validate"
    )
    for resource in resources():
        kubernetes_validate.validate(resource, version, strict=True)


def test_a_mistake_would_be_seen() -> None:
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="the schemas come with kubernetes-validate"
    )
    broken = named("StatefulSet", "node")
    broken["spec"]["template"]["spec"]["terminationGraceSeconds"] = 180
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_the_supervisor_names_the_pods_there_are() -> None:
    nodes, service = named("StatefulSet", "node"), "nodes"
    machine = Machine.load(variables=variables(named("Job", "train")["spec"]["template"]))
    pods = [f"node-{index}" for index in range(nodes["spec"]["replicas"])]
    assert machine.nodes.hosts == tuple((pod, f"{pod}.{service}") for pod in pods)
    assert nodes["spec"]["serviceName"] == named("Service", service)["metadata"]["name"]
    [container] = nodes["spec"]["template"]["spec"]["containers"]
    assert machine.nodes.processes == container["resources"]["limits"]["nvidia.com/gpu"]


def test_the_nodes_can_meet_at_any_port() -> None:
    """A Service with an address would pass on only the ports it lists."""
    service = named("Service", "nodes")["spec"]
    assert service["clusterIP"] == "None"
    assert "ports" not in service
    assert service["selector"] == named("StatefulSet", "node")["spec"]["selector"]["matchLabels"]


def test_a_pod_that_is_ended_has_the_time_to_save() -> None:
    for name in (("StatefulSet", "node"), ("Job", "train")):
        spec = named(*name)["spec"]["template"]["spec"]
        assert spec["terminationGracePeriodSeconds"] > STOP_GRACE_SECONDS


def test_every_pod_asks_for_cores_and_memory() -> None:
    for pod in pods():
        [container] = pod["spec"]["containers"]
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()


def test_what_the_pods_use_exists() -> None:
    dockerfile = (ROOT / "infra" / "docker" / "Dockerfile").read_text("utf-8")
    for pod in pods():
        [container] = pod["spec"]["containers"]
        command = container["args"][0]
        assert command in ("prefect", "dvdgan") or (ROOT / command).is_file()
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in pod["spec"]["volumes"]}
        if "project" in mounts:
            assert f"WORKDIR {mounts['project']}" in dockerfile
        for volume in pod["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                named("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
        url = variables(pod).get("PREFECT_API_URL")
        if url is not None:
            host, port = re.fullmatch(r"http://([\w-]+):(\d+)/api", url).groups()  # type: ignore[union-attr]
            assert [each["port"] for each in named("Service", host)["spec"]["ports"]] == [int(port)]

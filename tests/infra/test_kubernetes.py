"""infra/kubernetes as kustomize builds it: schemas, policies, and names that exist in the code."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_files import FOLDER, ROOT, Resource, build, named, pods, variables

from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR
from dvdgan.guard.remote_backup import LAST_SECONDS
from dvdgan.guard.torchrun import launcher
from dvdgan.guard.trainer_process import STOP_GRACE_SECONDS
from dvdgan.machine import Machine

VERSIONS = (
    "1.31",
    "1.37",
)  # the oldest with all fields of the Jobs, and the newest schema there is
RUNS = ("prepare", "train", "finish")


def everything(target: Path) -> list[Resource]:
    """The overlay gpu with every component."""
    shutil.copytree(FOLDER, target)
    overlay = target / "overlays/gpu/kustomization.yaml"
    components = [f"../../components/{each.name}" for each in (FOLDER / "components").iterdir()]
    with overlay.open("a") as file:
        file.write(f"components: [{', '.join(components)}]\n")
    return build(overlay.parent)


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Resource]]:
    """Each overlay, and one with every component."""
    found = {each.name: build(each) for each in sorted((FOLDER / "overlays").iterdir())}
    return found | {"all": everything(tmp_path_factory.mktemp("all") / "kubernetes")}


@pytest.fixture(scope="module", params=["gpu", "small", "all"])
def resources(request: pytest.FixtureRequest, builds: dict[str, list[Resource]]) -> list[Resource]:
    built: list[Resource] = builds[request.param]
    return built


def containers(pod: Resource) -> list[Resource]:
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_is_what_kubernetes_takes(resources: list[Resource], version: str) -> None:
    for resource in resources:
        kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.long
def test_the_linter_finds_nothing(builds: dict[str, list[Resource]], tmp_path: Path) -> None:
    for name, built in builds.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(built))
    [command] = re.findall(r"uv tool run (checkov@\S+)", (FOLDER / "checkov.yaml").read_text())
    uv = Path(sys.executable).with_name("uv")
    words = [uv, "tool", "run", command, "--config-file", FOLDER / "checkov.yaml", "-d", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    mistake = named(builds["small"], "Job", "train")
    mistake = json.loads(json.dumps(mistake))
    mistake["spec"]["template"]["spec"]["hostNetwork"] = True
    (tmp_path / "mistake.yaml").write_text(yaml.safe_dump(mistake))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "Failed checks: 1" in done.stdout, done.stdout


def test_every_pod_is_restricted(resources: list[Resource]) -> None:
    """As the level `restricted` of Kubernetes' Pod Security Standards, and read-only."""
    level = named(resources, "Namespace", "dvdgan")["metadata"]["labels"]
    allowed = {"pod-security.kubernetes.io/enforce": "restricted"}
    rdma = level != allowed
    for name, pod in pods(resources).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["automountServiceAccountToken"] is (name == "worker"), name
        named(resources, "ServiceAccount", spec["serviceAccountName"])
        named(resources, "PriorityClass", spec["priorityClassName"])
        for container in containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"]["drop"] == ["ALL"], name
            added = ["IPC_LOCK"] if rdma and name == "train" else []
            assert context["capabilities"].get("add", []) == added, name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name
            assert re.fullmatch(r"[\w./-]+:\d[\w.-]+", container["image"]), name


def test_there_is_no_secret_and_every_reference_leads_to_a_documented_one(
    resources: list[Resource],
) -> None:
    assert not [each for each in resources if each["kind"] == "Secret"]
    page = (ROOT / "docs/kubernetes.md").read_text("utf-8")
    for pod in pods(resources).values():
        for container in containers(pod):
            for each in container.get("env", ()):
                if "fieldRef" in each.get("valueFrom", {}):
                    continue
                if "valueFrom" in each:
                    key = each["valueFrom"]["secretKeyRef"]
                    assert f"create secret generic {key['name']} " in page
                    assert f"--from-literal {key['key']}=" in page
                else:
                    secret = r"(PASSWORD|SECRET|AUTH|TOKEN)"
                    assert not re.search(secret, each["name"]) or (
                        each["value"].startswith("$(") or each["name"].endswith(("_NAME", "_KEY"))
                    )


def test_names_lead_to_what_exists(resources: list[Resource]) -> None:
    services = {
        each["metadata"]["name"]: each["spec"] for each in resources if each["kind"] == "Service"
    }
    workloads = pods(resources)
    for name, service in services.items():
        [pod] = [
            each
            for each in workloads.values()
            if service["selector"].items() <= each["metadata"]["labels"].items()
        ]
        offered = {
            port.get("name"): port["containerPort"]
            for each in containers(pod)
            for port in each.get("ports", ())
        }
        for port in service.get("ports", ()):
            target = port.get("targetPort", port["port"])
            assert offered.get(target, target) in offered.values(), name
    for name, pod in workloads.items():
        volumes = {each["name"] for each in pod["spec"].get("volumes", ())}
        volumes |= {"data"} if name in ("messages", "database", "store") else set()
        for container in containers(pod):
            assert {each["name"] for each in container["volumeMounts"]} <= volumes, name
            given = variables(container, resources)
            Machine.load(variables=given)
            for host, port in re.findall(
                r"://(?:[^@/]*@)?([\w-]+):(\d+)", " ".join(given.values())
            ):
                assert int(port) in [each["port"] for each in services[host]["ports"]], name
            program, *rest = container.get("args", ["postgres"])
            for word in (program, *re.findall(r"infra/\S+", " ".join(rest))):
                word = word.removeprefix("/opt/dvdgan/")
                tools = Path(sys.executable).parent
                known = ("server", "redis-server", "postgres", "sh")
                assert (ROOT / word).is_file() or (tools / word).exists() or program in known, name


def test_every_policy_is_about_pods_that_exist(resources: list[Resource]) -> None:
    labels = [each["metadata"]["labels"] for each in pods(resources).values()]
    policies = [each for each in resources if each["kind"] == "NetworkPolicy"]
    deny = named(policies, "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies:
        found = re.findall(
            r"podSelector: \{matchLabels: \{'?([\w-]+)'?: '?([\w-]+)'?\}\}",
            yaml.safe_dump(policy["spec"], default_flow_style=None, width=10**6),
        )
        for key, value in found:
            if key != "k8s-app":
                assert any(each.get(key) == value for each in labels), policy["metadata"]["name"]


def test_clients_reach_what_their_variables_name(resources: list[Resource]) -> None:
    for name, pod in pods(resources).items():
        given = [variables(each, resources) for each in containers(pod)]
        labels = pod["metadata"]["labels"]
        prefect = any("PREFECT_API_URL" in each for each in given)
        assert (labels.get("uses-prefect") == "true") is prefect, name
        stores = any("DVDGAN_SHARDS" in each for each in given)
        assert (labels.get("uses-stores") == "true") is stores, name


def test_the_pods_of_a_run_are_its_nodes(resources: list[Resource]) -> None:
    job = named(resources, "Job", "train")["spec"]
    pod = job["template"]["spec"]
    [container] = pod["containers"]
    given = variables(container, resources)
    nodes = job["completions"]
    assert job["completionMode"] == "Indexed"
    assert job["parallelism"] == nodes == int(given["NODES"])
    assert named(resources, "PodDisruptionBudget", "train")["spec"]["minAvailable"] == nodes
    assert container["resources"]["limits"].get("nvidia.com/gpu", 1) == int(given["PROCESSES"])
    service = named(resources, "Service", pod["subdomain"])
    assert given["ENDPOINT"].startswith(f"train-0.{service['metadata']['name']}:")
    # Ranks meet at any port, and pod 0 before it is ready.
    assert service["spec"]["clusterIP"] == "None" and "ports" not in service["spec"]
    assert service["spec"]["publishNotReadyAddresses"] is True
    words = launcher(nodes, int(given["PROCESSES"]), given["ENDPOINT"], "train")
    assert given["DVDGAN_LAUNCHER"].split() == ["python", *words[1:]]
    assert {"DVDGAN_SHARDS", "DVDGAN_BACKUP", "DVC_STORE"} <= given.keys()
    assert job["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}


def test_exit_codes_mean_what_the_code_means(resources: list[Resource]) -> None:
    for name in RUNS:
        job = named(resources, "Job", name)["spec"]
        assert job["template"]["spec"]["restartPolicy"] == "Never"
        actions = {
            value: rule["action"]
            for rule in job["podFailurePolicy"]["rules"]
            for value in rule.get("onExitCodes", {}).get("values", ())
        }
        assert actions == {EXIT_INTERRUPTED: "Ignore", EXIT_USER_ERROR: "FailJob"}
        grace = job["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace >= STOP_GRACE_SECONDS + LAST_SECONDS


def test_what_is_applied_together_has_the_label(resources: list[Resource]) -> None:
    for each in resources:
        run = each["metadata"].get("labels", {}).get("run")
        assert run == (each["metadata"]["name"] if each["metadata"]["name"] in RUNS else None)


def test_disks_of_a_pod_fit_its_limit(resources: list[Resource]) -> None:
    """A pod that writes more is evicted."""
    for name in RUNS:
        pod = named(resources, "Job", name)["spec"]["template"]["spec"]
        [container] = pod["containers"]
        limits = container["resources"]["limits"]
        memory = [each["emptyDir"] for each in pod["volumes"] if each["name"] == "memory"]
        assert gibibytes(memory[0]["sizeLimit"]) <= gibibytes(limits["memory"])
        given = variables(container, resources)
        cache = [each["emptyDir"] for each in pod["volumes"] if each["name"] == "cache"]
        assert float(given["DVDGAN_SHARD_CACHE_GB"]) < 1.07 * gibibytes(cache[0]["sizeLimit"])


def gibibytes(quantity: str) -> int:
    assert quantity.endswith("Gi")
    return int(quantity.removesuffix("Gi"))


def job_of(template: dict[str, Any], **chosen: Any) -> dict[str, Any]:
    """The Job that the worker makes for a flow run with these job variables."""
    defaults = {
        key: value["default"]
        for key, value in template["variables"]["properties"].items()
        if "default" in value
    }

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return without_none({key: filled(each) for key, each in value.items()})
        if isinstance(value, list):
            return [filled(each) for each in value]
        if isinstance(value, str) and (whole := re.fullmatch(r"\{\{ (\w+) \}\}", value)):
            return (defaults | chosen).get(whole[1])
        return re.sub(r"\{\{ \w+ \}\}", "", value) if isinstance(value, str) else value

    # Imported here, as below: it takes two seconds, in every process that collects the tests.
    from prefect.client.schemas.objects import FlowRun
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

    job = KubernetesWorkerJobConfiguration.model_validate(filled(template["job_configuration"]))
    job.prepare_for_flow_run(FlowRun(id=uuid.uuid4(), flow_id=uuid.uuid4(), name="a run"))
    manifest: dict[str, Any] = job.job_manifest
    return manifest


def filled_template(folder: Path) -> dict[str, Any]:
    """What infra/kubernetes/worker.sh gives to Prefect, without a server."""
    prefect, kept = folder / "prefect", folder / "kept.json"
    prefect.write_text(
        '#!/bin/sh\nfor word; do case "$word" in /*tmp*) cp "$word" "$KEPT";; esac; done\nexit 3\n'
    )
    prefect.chmod(0o755)
    variables = {"PATH": f"{folder}:{os.environ['PATH']}", "KEPT": str(kept)}
    variables |= {"IMAGE": "registry/dvdgan:1", "NAMESPACE": "here", "PREFECT_API_URL": "http://x"}
    done = subprocess.run([FOLDER / "worker.sh"], env=os.environ | variables, check=False)
    assert done.returncode == 3
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def test_the_work_pool_makes_jobs_that_kubernetes_and_the_build_take(
    builds: dict[str, list[Resource]], tmp_path: Path
) -> None:
    from prefect_kubernetes.worker import KubernetesWorker

    template = filled_template(tmp_path)
    default = KubernetesWorker.get_default_base_job_template()["variables"]["properties"]
    assert default.keys() <= template["variables"]["properties"].keys()
    manifest = job_of(template, gpus=1)
    plain = json.loads(json.dumps(manifest), object_hook=without_none)
    assert plain["metadata"]["namespace"] == "here"
    pod = plain["spec"]["template"]["spec"]
    for name in ("completions", "parallelism"):  # Prefect requires them there, and Kubernetes
        pod.pop(name)  # leaves them out with a warning
    for version in VERSIONS:
        kubernetes_validate.validate(plain, version, strict=True)
    [container] = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["image"] == "registry/dvdgan:1"
    assert container["args"][:3] == ["prefect", "flow-run", "execute"]
    for built in builds.values():
        named(
            built, "PersistentVolumeClaim", pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
        )
        named(built, "ServiceAccount", pod["serviceAccountName"])
        named(built, "PriorityClass", pod["priorityClassName"])
        named(built, "ConfigMap", container["envFrom"][0]["configMapRef"]["name"])
        [worker] = pods(built)["worker"]["spec"]["containers"]
        assert variables(worker, built)["IMAGE"] == worker["image"]
        [trainer] = pods(built)["train"]["spec"]["containers"]
        assert trainer["image"] == worker["image"]


def test_flow_runs_refer_to_the_secret_of_the_worker(
    builds: dict[str, list[Resource]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [container] = pods(builds["gpu"])["worker"]["spec"]["containers"]
    for name, value in variables(container, builds["gpu"]).items():
        monkeypatch.setenv(name, value)
    from prefect_kubernetes.settings import KubernetesSettings

    settings = KubernetesSettings().worker
    assert settings.api_auth_string_secret_name == "prefect"
    assert settings.api_auth_string_secret_key == "auth"


def without_none(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}

"""infra/kubernetes as kustomize builds it, and the pods of a build."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra" / "kubernetes"
Resource = dict[str, Any]


def build(folder: Path) -> list[Resource]:
    """The resources of a kustomization; skips where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kustomize comes with kubectl, which is not here")
    done = subprocess.run(
        ["kubectl", "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def named(resources: list[Resource], kind: str, name: str) -> Resource:
    [found] = [
        each for each in resources if each["kind"] == kind and each["metadata"]["name"] == name
    ]
    return found


def pods(resources: list[Resource]) -> dict[str, Resource]:
    """The pod template of each workload, by the workload's name."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in resources
        if "template" in each.get("spec", {})
    }


def variables(container: Resource, resources: list[Resource]) -> dict[str, str]:
    """The environment of ``container``; values from elsewhere are their names there."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            found |= named(resources, "ConfigMap", source["configMapRef"]["name"])["data"]
    for each in container.get("env", ()):
        value = each.get("value")
        if value is None:
            [source] = each["valueFrom"].values()
            value = source.get("key") or source["fieldPath"]
        found[each["name"]] = re.sub(
            r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), value
        )
    return found

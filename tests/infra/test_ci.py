"""The workflows of GitHub and GitLab: valid, pinned, and without rights they do not need."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
GITLAB = ROOT / ".gitlab-ci.yml"
BIN = Path(sys.executable).parent
WITH_CODE_OF_A_FORK = {"ci.yaml", "pull_request.yaml"}


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return found


def tool(name: str) -> str:
    if not (BIN / name).is_file():
        pytest.skip(f"{name} is not installed")
    return str(BIN / name)


def passes(*words: str) -> None:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_files_fit_the_schemas_of_their_forge() -> None:
    check = tool("check-jsonschema")
    passes(check, "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS))
    passes(check, "--builtin-schema", "vendor.gitlab-ci", str(GITLAB))
    passes(check, "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")


def test_zizmor_finds_no_weakness() -> None:
    passes(tool("zizmor"), "--offline", "--no-progress", ".github")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_one_action_has_one_version(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used
    for line in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line), line
    others = "".join(each.read_text(encoding="utf-8") for each in WORKFLOWS)
    for action in {line.partition("@")[0] for line in used}:
        assert len(set(re.findall(rf"uses: {action}@.*", others))) == 1, action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_have_limits_and_few_rights(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert "concurrency" in workflow
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 240
        assert not re.search("latest", job["runs-on"])


def test_code_of_a_fork_meets_no_secret_and_cannot_write() -> None:
    for path in WORKFLOWS:
        workflow, text = loaded(path), path.read_text(encoding="utf-8")
        jobs = workflow["jobs"].values()
        assert "secrets." not in text
        assert "pull_request_target" not in workflow["on"]
        runs_it = "pull_request" in workflow["on"]
        assert runs_it == (path.name in WITH_CODE_OF_A_FORK)
        if runs_it:
            assert all("permissions" not in job for job in jobs)
            assert text.count("persist-credentials: false") == text.count("actions/checkout@")
        if "workflow_run" in workflow["on"]:
            assert "actions/checkout" not in text
            assert all("run" not in step for job in jobs for step in job["steps"])


def test_expressions_stay_out_of_scripts() -> None:
    """${{ }} in a script is code by whoever names the branch."""
    for path in WORKFLOWS:
        for job in loaded(path)["jobs"].values():
            for step in job["steps"]:
                script = step.get("run", "") + step.get("with", {}).get("script", "")
                assert "${{" not in script.replace("${{pull", ""), step


def test_both_forges_run_the_same_commands() -> None:
    def commands(text: str) -> set[str]:
        return set(re.findall(r"make [a-z-]+|\.venv/bin/\w+ (?:-m )?[a-z]+", text))

    github = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    gitlab = GITLAB.read_text(encoding="utf-8")
    assert commands(github) == commands(gitlab) - {".venv/bin/python infra"}

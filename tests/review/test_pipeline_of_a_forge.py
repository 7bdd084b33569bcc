"""The steps of a forge's job that make the review, run as its runner runs them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reviewed_project import ROOT, Project
from ruamel.yaml import YAML

GITHUB, GITLAB = ROOT / ".github/workflows/pull_request.yaml", ROOT / ".gitlab-ci.yml"


def loaded(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def of_github(base: str, summary: Path) -> tuple[str, dict[str, str]]:
    """The scripts of the job's steps but `make setup`, and their environment."""
    job = loaded(GITHUB)["jobs"]["review"]
    steps = [step for step in job["steps"] if step.get("run", "make setup") != "make setup"]
    script = "\n".join(step["run"] for step in steps if "continue-on-error" not in step)
    assert job["env"].keys() - {"UV_TORCH_BACKEND"} == {"BASE", "DEVICES", "PRICE"}
    given = {"BASE": base, "DEVICES": "8", "PRICE": "2.5", "GITHUB_STEP_SUMMARY": str(summary)}
    return script, given


def of_gitlab(base: str, summary: Path) -> tuple[str, dict[str, str]]:
    """The same of GitLab, which has no summary."""
    lines = [line for line in loaded(GITLAB)["review"]["script"] if line != "make setup"]
    given = {
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "REVIEW_DEVICES": "8",
        "REVIEW_PRICE_PER_HOUR": "2.5",
        "REVIEW_TOKEN": "",
    }
    return "\n".join(lines), given


@pytest.mark.parametrize("job", [of_github, of_gitlab])
def test_the_job_writes_the_review_and_checks(job, paper: Project, tmp_path: Path) -> None:
    base = paper.commit()
    paper.edit("batch_size: 512", "batch_size: 1")
    paper.commit()
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    script, given = job(base, tmp_path / "summary")
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=paper.folder,
        env=os.environ | given,
        capture_output=True,
        text=True,
    )
    review = (paper.folder / "review.md").read_text(encoding="utf-8")
    assert "`dvdgan check` refuses params.yaml" in review
    assert "train.batch_size" in done.stderr, "what the last step, check, says"
    assert done.returncode == 2
    if job is of_github:
        assert (tmp_path / "summary").read_text("utf-8").startswith("<!-- dvdgan review -->")

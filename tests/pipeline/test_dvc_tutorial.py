"""The commands of docs/dvc.md, run one after the other in a work tree where all is done."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from work_tree import PROJECT, run

pytestmark = pytest.mark.timeout(1500)  # the fixture makes the work trees

PAGE = (PROJECT / "docs" / "dvc.md").read_text(encoding="utf-8")
IGNORED = (".gitignore", ".dvc/.gitignore")


def tutorial() -> list[str]:
    """The lines of the code blocks under the heading Tutorial."""
    section = PAGE.partition("\n## Tutorial\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.long
def test_the_tutorial(
    finished: Path,
    copied: Callable[[Path, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.org")
    monkeypatch.setenv("COLUMNS", "120")
    tree = copied(finished, "tutorial")
    for name in IGNORED:
        shutil.copy(PROJECT / name, tree / name)
    committed = (tree / "params.yaml").read_bytes()
    printed = {}
    for line in tutorial():
        done = run(tree, *shlex.split(line.replace("/mnt", str(tmp_path))))
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        printed[line.partition(" --")[0]] = done.stdout
    assert "fewer-samples" in printed["dvc exp show"]
    assert "report.samples_per_class" in printed["dvc exp diff HEAD fewer-samples"]
    assert "report.samples_per_class" in printed["dvc params diff"]
    rows = printed["dvc metrics diff"].splitlines()
    assert any("FVD self_trained N=32" in row for row in rows)
    assert max(map(len, rows)) <= 120
    page = (tree / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert '<meta charset="utf-8">' in page
    titles = ("Losses", "Gradient norms", "Metric of each checkpoint", "Truncation curve")
    for chart in (*titles, "classes/accuracy.csv"):
        assert chart in page
    assert "failed" not in printed["dvc plots diff HEAD"]
    for file in sorted((tree / "artifacts/model").iterdir()):
        assert (tree / "released" / file.name).read_bytes() == file.read_bytes()
    # What `git restore` and `dvc checkout` went back to is the run of the last commit.
    assert (tree / "params.yaml").read_bytes() == committed
    planned = run(tree, "dvdgan", "plan").stdout.splitlines()
    assert [line for line in planned if not line.endswith("up to date")] == []


def test_metrics_are_a_dozen_numbers(finished: Path) -> None:
    metrics = json.loads((finished / "artifacts/evaluate/metrics.json").read_text())
    assert 10 <= len(metrics) <= 15
    assert all(isinstance(value, float) and "." not in key for key, value in metrics.items())
    assert (finished / "artifacts/evaluate/metrics.json").stat().st_size < 1000

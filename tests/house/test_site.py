"""The site that `make docs` builds."""

import re
import subprocess
import sys
from pathlib import Path

from source_tree import ROOT


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """A link that leads nowhere and a page outside the navigation are warnings."""
    [words] = re.findall(r"^\t@sphinx-build (.*) -d \S+ \. site$", makefile(), re.MULTILINE)
    command = [sys.executable, "-m", "sphinx", *words.split(), "-d", str(tmp_path / "doctrees")]
    built = subprocess.run(
        [*command, ".", str(tmp_path / "site")], cwd=ROOT, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "site/docs/index.html").read_text(encoding="utf-8")
    navigation = page.partition('<div class="sidebar-tree">')[2].partition("</aside>")[0]
    reached = set(re.findall(r'href="([^"#]+)\.html"', navigation))
    pages = {each.relative_to(ROOT / "docs") for each in (ROOT / "docs").glob("**/*.md")}
    assert {each.with_suffix("").as_posix() for each in pages} - {"index"} <= reached
    api = (tmp_path / "site/docs/api.html").read_text(encoding="utf-8")
    assert 'id="dvdgan.export.sampler.Sampler.sample"' in api
    assert "Videos number" in api
    table = (tmp_path / "site/docs/paper_to_code.html").read_text(encoding="utf-8")
    assert "dvdgan/<wbr>models/<wbr>generator.<wbr>py::<wbr>Generator" in table


def makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")

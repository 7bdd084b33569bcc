"""The site of the documentation, made by Sphinx and MyST: `make docs` writes it to `site/`.

Its sources are the Markdown files of the repository, from the root on, so that a link works on the
site and in the repository alike. The navigation is the lists of links in docs/index.md.
"""

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

project = "dvdgan"
html_title = "dvdgan"
html_theme = "furo"
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
highlight_language = "sh"  # of a block without a language

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md"]
exclude_patterns = [".*", "artifacts", "data", "site", "*.egg-info", "weights"]  # not looked into

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 4

default_role = "code"  # docstrings are plain text: `name` is code
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_navigation)
    app.connect("html-page-context", allow_breaks)


def add_navigation(_app: Sphinx, document: str, source: list[str]) -> None:
    """Give the root page a hidden table of contents: a caption for each heading, then its links."""
    if document != root_doc:
        return
    for section in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
        caption = section.partition("\n")[0]
        links = re.findall(r"\[([^]]+)\]\(([^):#]+)\.md\)", section)
        pages = "\n".join(f"{text} </{posixpath.normpath(f'docs/{to}')}>" for text, to in links)
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"


def allow_breaks(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    """Let a line end inside of a long path or name, behind `/`, `_`, `.` and `::`."""
    if "body" in context:
        context["body"] = re.sub(
            r'(?<=<span class="pre">)[^<]{16,}',
            lambda name: re.sub(r"(/|_|\.|::)(?=\w)", r"\1<wbr>", name[0]),
            context["body"],
        )

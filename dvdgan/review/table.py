"""Tables and folded text in Markdown."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; in its cells `|` is escaped and a line feed becomes a space."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def folded(title: str, text: str) -> str:
    """Text that is shown on a click on its title."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"

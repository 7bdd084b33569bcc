"""The commands of docs/runbooks.md, to be run as they stand there."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "runbooks.md"


def commands(title: str, containing: str, **instead: str) -> str:
    """The code block of the runbook ``title`` with the words ``containing``.

    Names in capitals and lines that a test cannot run are replaced as ``instead`` says; each has to
    be there.
    """
    section = PAGE.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    [block] = [each for each in blocks if containing in each]
    for words, others in instead.items():
        assert words in block, f"{words} is not in the commands of {title!r}"
        block = block.replace(words, others)
    return block

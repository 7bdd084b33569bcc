"""Files that hold what the code made when it was last looked at, and how to write them anew."""

import difflib
import os
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
WRITING = os.environ.get("DVDGAN_WRITE_GOLDEN") == "1"

ADVICE = """
If that is meant: write the golden files anew and name the change in CHANGELOG.md; bundles and
checkpoints made before it may no longer load, or no longer repeat.
    DVDGAN_WRITE_GOLDEN=1 python -m pytest tests/golden"""


def difference(path: Path, text: str) -> str:
    """What ``text`` has that the file has not, and the other way round; "" when nothing.

    Writes the file instead where DVDGAN_WRITE_GOLDEN=1 is set.
    """
    if WRITING:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return ""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    lines = difflib.unified_diff(
        before.splitlines(), text.splitlines(), str(path.relative_to(FOLDER)), "now", "", "", 0, ""
    )
    found = "\n".join(lines)
    return f"{found}\n{ADVICE}" if found else ""

"""Describes every key of the machine file.

`python -m dvdgan.machine.reference` writes the end of docs/machine.md, from the heading on.
"""

from dvdgan.machine.keys import KEYS, SECTIONS, Key

HEADING = "## All keys\n"


def keys_reference() -> str:
    """A table of all keys, and a machine file with every key as a comment, as Markdown."""
    rows = "".join(map(_row, KEYS.values()))
    head = "| key | variable | meaning | allowed | default |\n|---|---|---|---|---|\n"
    return f"{HEADING}\n{head}{rows}\n## A file with all keys\n\n```yaml\n{_example()}```\n"


def _row(key: Key) -> str:
    kind = key.kind
    allowed = kind.in_file.removeprefix("text: ")
    if kind.in_variable != kind.in_file:
        allowed += f"; the variable: {kind.in_variable}"
    return f"| `{key.name}` | `{key.variable}` | {key.meaning} | {allowed} | {key.default} |\n"


def _example() -> str:
    lines = []
    section = ""
    for key in KEYS.values():
        above, _, name = key.name.rpartition(".")
        if above and above != section:
            lines.append(f"{above}:  # {SECTIONS[above].removesuffix('.')}")
        section = above
        indent = "  " if above else ""
        lines.append(f"{indent}# {name}: {key.example}")
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    print(keys_reference(), end="")

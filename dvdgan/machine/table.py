"""The settings of a machine as a table that says where each value comes from."""

import textwrap
from pathlib import Path

from dvdgan.errors import redacted
from dvdgan.machine.keys import KEYS
from dvdgan.machine.machine import MACHINE_FILE, Machine

DEFAULT = "default"
GAP = "  "


def machine_table(machine: Machine, width: int = 100) -> str:
    """Key, value and source of every setting, in lines of at most ``width`` characters.

    Without a machine file only what variables have set; if nothing is set, one line.
    """
    names = list(KEYS) if machine.file is not None else list(machine.sources)
    if not names:
        start = f"cp infra/machines/laptop.yaml {MACHINE_FILE}"
        return f"machine: all settings are defaults; to begin a machine file: {start}"
    rows = [("key", "value", "source")]
    rows += [(name, _shown(machine, name), _source(machine, name)) for name in names]
    keys, sources = (max(len(row[column]) for row in rows) for column in (0, 2))
    room = width - keys - sources - 2 * len(GAP)
    values = min(room, max(len(row[1]) for row in rows))
    lines = [] if machine.file in (None, MACHINE_FILE) else [f"machine file: {machine.file}"]
    for key, value, source in rows:
        first, *more = textwrap.wrap(value, values, break_on_hyphens=False)
        lines.append(f"{key:{keys}}{GAP}{first:{values}}{GAP}{source}")
        lines += [f"{'':{keys}}{GAP}{line}" for line in more]
    return "\n".join(lines)


def _source(machine: Machine, name: str) -> str:
    source = machine.sources.get(name, DEFAULT)
    return Path(source).name if source == str(machine.file) else source


def _shown(machine: Machine, name: str) -> str:
    key = KEYS[name]
    if name not in machine.texts:
        return key.default
    return redacted(key.kind.show(key.kind.parse(machine.texts[name])))

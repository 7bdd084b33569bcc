"""The settings of a machine: machine.yaml and the environment variables that replace its values."""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dvdgan.errors import UserError
from dvdgan.machine.file import MachineFile
from dvdgan.machine.keys import KEYS, SECTIONS, Sections
from dvdgan.yaml_problems import problems_error, shown

MACHINE_FILE = Path("machine.yaml")
FILE_VARIABLE = "DVDGAN_MACHINE"
NO_FILE = {FILE_VARIABLE: os.devnull}
"""A process with this variable reads no machine file."""
DEFAULT = "default"

# Names of version 0.1. They are refused: a backup that is silently not made would be a loss.
RENAMED = {
    "DVDGAN_MIRROR": "DVDGAN_BACKUP",
    "DVDGAN_MIRROR_MBPS": "DVDGAN_BACKUP_MBPS",
    "DVDGAN_ASK_BEFORE_ROLLBACK": "DVDGAN_APPROVE_ROLLBACKS",
}


@dataclass(frozen=True)
class Machine(Sections):
    """All settings that cannot change a result, merged and checked. docs/machine.md lists them."""

    file: Path | None = field(default=None, compare=False)
    """The machine file; None if there is none."""
    texts: Mapping[str, str] = field(default_factory=dict, compare=False)
    """By dotted key, the text of the variable of every value that was set."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """By dotted key, where every value that was set comes from: the file or a variable's name."""

    @classmethod
    def load(cls, path: Path | None = None, variables: Mapping[str, str] = os.environ) -> "Machine":
        """Merge the machine file ``path`` and ``variables``, which replace its values.

        Without ``path``, the file is that of DVDGAN_MACHINE, or machine.yaml in the working folder,
        if it exists. A variable that is empty counts as not set, and so does a key without a value.

        Raises UserError if the requested file does not exist, and otherwise with a line for every
        unknown key, credential, renamed variable and value that is not allowed.
        """
        file = _file(path, variables)
        written = MachineFile({}, []) if file is None else MachineFile.read(file)
        texts, problems = dict(written.texts), [*written.problems, *_renamed(variables)]
        sources = {name: str(file) for name in texts}
        for key in KEYS.values():
            text = variables.get(key.variable, "").strip()
            if not text:
                continue
            try:
                key.kind.parse(text)
            except ValueError:
                problems.append(
                    f"the environment variable {key.variable} is {shown(text)}, but must be "
                    f"{key.kind.in_variable}"
                )
            texts[key.name], sources[key.name] = text, key.variable
        if problems:
            raise problems_error("the configuration of this machine (docs/machine.md)", problems)
        return cls(**_values(texts), file=file, texts=texts, sources=sources)

    def share(self, variables: MutableMapping[str, str] = os.environ) -> None:
        """Write the values of the file to ``variables``, and have nobody read a file afterwards.

        Processes started with them then have this machine's settings, in whatever folder or host
        they run and whatever happens to the file meanwhile. Prefect, if it is imported after this
        call, finds its server.
        """
        variables.update({KEYS[name].variable: text for name, text in self.texts.items()})
        variables.update(NO_FILE)

    def refuse_without_prefect(self) -> None:
        """Raise UserError if a setting requires Prefect."""
        for wanted, name, what in (
            (self.nodes.hosts, "nodes.hosts", "trainers on other hosts cannot be started"),
            (
                self.prefect.approve_rollbacks,
                "prefect.approve_rollbacks",
                "rollbacks cannot be approved",
            ),
        ):
            if wanted:
                raise UserError(
                    f"{what} without a Prefect server",
                    where=KEYS[name].place,
                    todo="set prefect.api_url (PREFECT_API_URL) to a running server, or remove "
                    "this setting (docs/machine.md)",
                )


def file_variable() -> dict[str, str]:
    """The variable by which commands in other folders read the machine file of this one."""
    file = _file(None, os.environ)
    return {} if file is None else {FILE_VARIABLE: str(file.absolute())}


def _file(path: Path | None, variables: Mapping[str, str]) -> Path | None:
    named = variables.get(FILE_VARIABLE, "").strip()
    if path is None and not named:
        return MACHINE_FILE if MACHINE_FILE.exists() else None
    file = path or Path(named).expanduser()
    if not file.exists():
        raise UserError(
            f"the machine file {file} does not exist",
            where=str(file.absolute()) if path else f"the environment variable {FILE_VARIABLE}",
            todo="correct the path, or copy a file of infra/machines there",
        )
    return None if str(file) == os.devnull else file


def _renamed(variables: Mapping[str, str]) -> list[str]:
    return [
        f"the environment variable {old} is called {new} now: set that one, and unset the old name"
        for old, new in RENAMED.items()
        if variables.get(old, "").strip()
    ]


def _values(texts: Mapping[str, str]) -> dict[str, Any]:
    """The sections, and the keys of none, by name."""
    parsed = {name: KEYS[name].kind.parse(text) for name, text in texts.items()}
    found = {name: value for name, value in parsed.items() if "." not in name}
    for section in fields(Sections):
        if section.name in SECTIONS:
            prefix = f"{section.name}."
            found[section.name] = section.type(  # type: ignore[operator]
                **{
                    name.removeprefix(prefix): value
                    for name, value in parsed.items()
                    if name.startswith(prefix)
                }
            )
    return found

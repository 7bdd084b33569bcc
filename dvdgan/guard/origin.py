"""The origin of a run (params, data and code), and the differences between two origins."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvdgan.provenance.changes import Change, changes
from dvdgan.storage.local import write_json

SECTIONS = ("clip", "model", "train")
MOST_FILES = 5  # named in one line


@dataclass(frozen=True)
class RunOrigin:
    """Everything that affects the results of a run."""

    params: Mapping[str, Any]
    """By dotted key, of SECTIONS."""
    data: Mapping[str, str] | None
    """sha256 by file. None: started by a version that kept no record of data and code."""
    code: Mapping[str, str] | None
    """Normalised source by file."""
    continued: tuple[Mapping[str, Any], ...] = ()
    """Each time it was continued by other code: `step`, `files`, `diff`."""

    @classmethod
    def of_files(cls, settings: bytes, provenance: bytes | None) -> "RunOrigin":
        """What a run folder's settings.json and provenance.json hold. Raises ValueError."""
        recorded = json.loads(provenance or b'{"data": null, "code": null, "continued": []}')
        sections = json.loads(settings)
        params = flat({name: sections.get(name, {}) for name in SECTIONS})
        return cls(params, recorded["data"], recorded["code"], tuple(recorded["continued"]))

    def write(self, path: Path) -> None:
        """Write provenance.json, which keeps all but the params."""
        write_json(path, {"data": self.data, "code": self.code, "continued": self.continued})

    def changed_params(self, now: "RunOrigin") -> list[str]:
        """`key: value -> value` for keys that both have; others came with the code."""
        both = sorted(self.params.keys() & now.params.keys())
        return [
            f"{key}: {json.dumps(self.params[key])} -> {json.dumps(now.params[key])}"
            for key in both
            if self.params[key] != now.params[key]
        ]

    def changed_keys(self, now: "RunOrigin") -> list[str]:
        """Keys that only one of them has."""
        return sorted(self.params.keys() ^ now.params.keys())

    def changed_data(self, now: "RunOrigin") -> list[str]:
        """Files of the data that differ; none if there is no record."""
        if self.data is None or now.data is None:
            return []
        names = sorted(self.data.keys() | now.data.keys())
        return [name for name in names if self.data.get(name) != now.data.get(name)]

    def changed_code(self, now: "RunOrigin") -> list[Change]:
        """What changed in the code; nothing where there is no record."""
        return [] if self.code is None or now.code is None else changes(self.code, now.code)

    def equals(self, now: "RunOrigin") -> bool:
        """Whether both give the same numbers, as far as is known: not without a record."""
        return self.code is not None and not self.differences(now)

    def differences(self, now: "RunOrigin") -> list[str]:
        """All differences as phrases, one for the data and one for the code."""
        found = self.changed_params(now)
        found += [f"the key {key}" for key in self.changed_keys(now)]
        if data := self.changed_data(now):
            found.append(f"data: {', '.join(data)}")
        if self.code is None:
            found.append("data and code: an earlier version of dvdgan kept no record of them")
        if code := self.changed_code(now):
            more = [f"{len(code) - MOST_FILES} more files"] if len(code) > MOST_FILES else []
            found.append(f"code: {', '.join([*map(str, code[:MOST_FILES]), *more])}")
        return found


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections by dotted key."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        whole = f"{prefix}{key}"
        found |= flat(value, f"{whole}.") if isinstance(value, Mapping) else {whole: value}
    return found

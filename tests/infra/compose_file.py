"""infra/docker/compose.yaml as Compose reads it: with the variables of an .env file filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "infra" / "docker"
# Letters after a colon take an empty variable for one that is not set.
VARIABLE = re.compile(r"\$\{(\w+)(?:(:?)([-?])([^}]*))?\}")


def compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """The file with ``variables``. Raises KeyError where a required one is missing or empty."""

    def fill(found: re.Match[str]) -> str:
        name, colon, kind, rest = found.groups()
        value = variables.get(name)
        if value is None or (colon and not value):
            if kind == "-":
                return str(rest)
            if kind == "?":
                raise KeyError(name)
        return value or ""

    text = VARIABLE.sub(fill, (DOCKER / "compose.yaml").read_text("utf-8"))
    filled: dict[str, Any] = yaml.safe_load(text)
    return filled


def example() -> dict[str, str]:
    """The variables of .env.example; those without a value there have an empty one."""
    lines = (DOCKER / ".env.example").read_text("utf-8").splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


def passwords() -> dict[str, str]:
    """An .env file as a user fills it in."""
    found = {name: value or f"password-of-{name.lower()}" for name, value in example().items()}
    return found | {"PREFECT_AUTH": "admin:password-of-prefect"}

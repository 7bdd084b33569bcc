"""The weights of the published networks that features.protocols needs."""

import json
from collections.abc import Iterator

from dvdgan.doctor.finding import FAILS, NOT_USED, OK, Finding, failure, size
from dvdgan.doctor.settings import DoctorSettings
from dvdgan.protocols import PROTOCOLS, TRAINED

NAME = "weights"


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """A line for each network: present, and its header can be read. `dvdgan features` reads all."""
    networks = sorted({PROTOCOLS[name].network for name in settings.protocols} - {*TRAINED})
    if not networks:
        yield Finding(NAME, NOT_USED, "features.protocols needs no published network")
    for name in networks:
        yield _network(name)


def _network(name: str) -> Finding:
    from safetensors import SafetensorError, safe_open

    from dvdgan.evaluation.networks.catalogue import CATALOGUE

    known = CATALOGUE[name]
    files = [path for path in known.folder.glob("network.*") if path.is_file()]
    if not (known.folder / "config.json").is_file() or not files:
        found = failure(NAME, known.missing(known.folder))
        assert found is not None
        return found
    try:
        json.loads((known.folder / "config.json").read_text(encoding="utf-8"))
        if files[0].suffix == ".safetensors":
            with safe_open(files[0], framework="np") as tensors:
                tensors.keys()
    except (ValueError, SafetensorError) as error:
        return Finding(
            NAME, FAILS, f"{files[0]} is damaged: {error}", f"run `{known.command}` again"
        )
    return Finding(NAME, OK, f"{name}, {size(files[0].stat().st_size)}, in {known.folder}")

"""Publishes a bundle in a store; only objects that were published before are replaced."""

import json
from pathlib import Path
from typing import Any

from dvdgan.errors import UserError
from dvdgan.storage.local import sha256_of_file
from dvdgan.storage.output import is_sealed, sealed
from dvdgan.storage.store import Store

PARTS = ("model", "report")
# Names what is published below NAME/, with the sha256 each object had, has, or is about to have.
RECORD = "publication.json"
EVALUATION, NEWEST = "evaluation.json", "newest.json"
SHOWN = 5


def check_publication(store: Store, name: str) -> None:
    """Raise UserError if publishing ``name`` would replace or mix with what others put there.

    Below NAME/ there may only be objects of an earlier publication of it, unchanged; newest.json
    may only be one that publishing wrote.
    """
    keys = store.keys(f"{name}/")
    listed = _listed(store, name, keys)
    newest = [NEWEST] if NEWEST in store.keys(NEWEST) else []
    others = [key for key in keys + newest if not _is_published(store, name, key, listed)]
    if others:
        raise UserError(
            f"{store} contains files that dvdgan did not publish, or that were changed since: "
            + ", ".join(others[:SHOWN]),
            where=str(store),
            todo="move them away, or set publish_to to another location",
        )


def publish_bundle(store: Store, name: str, tree: Path, found: dict[str, Any]) -> None:
    """Copy the bundle and the report of the work tree ``tree`` to NAME/; then write newest.json.

    ``found``: the record of its evaluation. If it is killed, the next call resumes. Raises
    UserError as check_publication does, and then changes nothing.
    """
    check_publication(store, name)
    artifacts = tree / "artifacts"
    files = {
        f"{name}/{path.relative_to(artifacts).as_posix()}": path
        for part in PARTS
        for path in sorted((artifacts / part).rglob("*"))
        if path.is_file()
    }
    earlier = _listed(store, name, store.keys(f"{name}/"))
    record = {
        key: sorted({*earlier.get(key, []), sha256_of_file(path)}) for key, path in files.items()
    }
    store.write_bytes(f"{name}/{RECORD}", _bytes({"files": earlier | record}))
    for key, path in files.items():
        store.put(path, key)
    store.write_bytes(f"{name}/{EVALUATION}", _bytes(sealed(found)))
    store.write_bytes(NEWEST, _bytes(sealed({**found, "name": name})))


def _is_published(store: Store, name: str, key: str, listed: dict[str, list[str]]) -> bool:
    if key == f"{name}/{RECORD}":
        return True
    if key in (NEWEST, f"{name}/{EVALUATION}"):
        return is_sealed(_json(store.read_bytes(key)))
    return store.sha256(key) in listed.get(key, [])


def _listed(store: Store, name: str, keys: list[str]) -> dict[str, list[str]]:
    """The sha256 that each object of the bundle and the report may have."""
    if f"{name}/{RECORD}" not in keys:
        return {}
    record = _json(store.read_bytes(f"{name}/{RECORD}"))
    listed = record.get("files") if isinstance(record, dict) else None
    return listed if isinstance(listed, dict) else {}


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _bytes(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()

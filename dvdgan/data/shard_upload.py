"""Finished shards -> the store that DVDGAN_SHARDS names, the index last; and the index back."""

import json
from collections.abc import Sequence
from pathlib import Path

from dvdgan.data.shard_index import parse_index
from dvdgan.data.shard_source import INDEX, SAMPLES, LocalShards, StoredShards, read_index
from dvdgan.errors import UserError
from dvdgan.machine.keys import KEYS
from dvdgan.progress import Progress
from dvdgan.storage.local import sha256_of_file, write_bytes
from dvdgan.storage.reading import reading
from dvdgan.storage.store import Store


def refuse_other_shards(store: Store, fingerprint: str) -> None:
    """Raise UserError if ``store`` holds finished shards of another ``fingerprint``.

    Some training may be reading them.
    """
    try:
        found = json.loads(store.read_bytes(INDEX))["fingerprint"]
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if found != fingerprint:
        raise UserError(
            f"the shards at {store} differ from those to be written",
            where=KEYS["stores.shards"].place,
            todo="set a new prefix, or delete the shards there",
        )


def upload_tars(store: Store, folder: Path, names: Sequence[str]) -> None:
    """Send these tars of ``folder``; nothing is sent of one whose very bytes are there.

    Raises as Store.put does.
    """
    with Progress("upload", len(names), "shards") as progress:
        for name in names:
            store.put(folder / name, name)
            progress.advance()


def upload_shards(store: Store, folder: Path) -> None:
    """Send all that `shard` wrote into ``folder``; index.json last, so that it lists what is there.

    Killed, the same call sends the rest. Raises UserError as refuse_other_shards does, and where
    ``folder`` does not hold the tars of its index.
    """
    shards = LocalShards(folder)
    data = read_index(shards)
    tars = parse_index(data, shards.where(INDEX)).tars
    with reading(shards.where(INDEX), "an index of shards"):
        fingerprint = json.loads(data)["fingerprint"]
    refuse_other_shards(store, fingerprint)
    for tar in tars.values():
        if not (folder / tar.name).is_file() or sha256_of_file(folder / tar.name) != tar.sha256:
            raise UserError(
                f"shard {tar.name} is missing or damaged",
                where=shards.where(tar.name),
                todo="delete it, also in DVC's cache, and run `dvc pull shard` (docs/runbooks.md)",
            )
    upload_tars(store, folder, list(tars))
    for name in (SAMPLES, INDEX):
        store.put(folder / name, name)


def copy_index(store: Store, folder: Path) -> None:
    """Copy index.json of ``store`` to ``folder``, for a machine without the tars.

    It is all that DVC compares of the shards. Raises UserError if ``folder`` holds other shards.
    """
    stored, place = StoredShards(store), folder / INDEX
    data = read_index(stored)
    parse_index(data, stored.where(INDEX))  # raises for what is no index
    known = place.is_file() and place.read_bytes() == data
    if not known and any(folder.glob("*.tar")):
        raise UserError(
            f"{folder} holds other shards than {store}",
            where=KEYS["stores.shards"].place,
            todo=f"correct it, or move {folder} away",
        )
    write_bytes(place, data)

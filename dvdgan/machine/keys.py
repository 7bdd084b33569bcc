"""Every key of machine.yaml: its variable, what it may be, its default and its meaning."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from dvdgan.machine.kinds import (
    ADDRESS,
    DEVICE,
    FOLDER,
    HOSTS,
    STORE,
    WORDS,
    YES_OR_NO,
    ValueKind,
    one_of,
    positive,
    several_of,
    whole,
)

TRACKERS = ("tensorboard", "dvclive", "wandb")
WAIT, GO_ON = "wait", "go_on"
NO_LAUNCHER = (sys.executable, "-m")
"""Starts one process."""

ValueT = TypeVar("ValueT")
DefaultT = TypeVar("DefaultT")


@dataclass(frozen=True)
class Key:
    """One key. ``name`` is dotted; ``default`` is in words, ``example`` in YAML."""

    name: str
    variable: str
    kind: ValueKind[Any]
    default: str
    meaning: str
    example: str

    @property
    def place(self) -> str:
        """Where a user can set it, for messages about a value that does not fit this machine."""
        return f"{self.name} in machine.yaml, or the environment variable {self.variable}"


def _key(
    variable: str,
    kind: ValueKind[ValueT],
    default: DefaultT,
    meaning: str,
    *,
    example: str,
    without: str | None = None,
) -> ValueT | DefaultT:
    """The field of a key; ``without`` is what its default means, unless it says so itself."""
    words = kind.show(default) if without is None else without  # type: ignore[arg-type]
    key = {"variable": variable, "kind": kind, "default": words}
    found: DefaultT = field(
        default=default, metadata=key | {"meaning": meaning, "example": example}
    )
    return found


@dataclass(frozen=True)
class Launch:
    """How trainers are started."""

    launcher: tuple[str, ...] = _key(
        "DVDGAN_LAUNCHER",
        WORDS,
        NO_LAUNCHER,
        "starts the processes that train and extract features, for instance "
        "`torchrun --nproc-per-node 8 -m`",
        without="one process",
        example="torchrun --standalone --nproc-per-node 8 -m",
    )
    loader_workers: int = _key(
        "DVDGAN_LOADER_WORKERS",
        whole(0),
        0,
        "loader processes per trainer process; 0: clips are loaded in the trainer process",
        example="4",
    )


@dataclass(frozen=True)
class Nodes:
    """Training on several hosts through Prefect (docs/clusters.md)."""

    hosts: tuple[tuple[str, str], ...] = _key(
        "DVDGAN_NODES",
        HOSTS,
        (),
        "hosts for training: name and address of each",
        without="this host only",
        example="{node0: 10.0.0.1, node1: 10.0.0.2}",
    )
    processes: int = _key(
        "DVDGAN_NODE_PROCESSES",
        whole(1),
        1,
        "trainer processes per host of `nodes.hosts`",
        example="8",
    )
    lost: str = _key(
        "DVDGAN_LOST_NODE",
        one_of(WAIT, GO_ON),
        WAIT,
        "what to do if a node is lost: `wait` for it, or `go_on` with the remaining nodes",
        example="go_on",
    )
    timeout: int = _key(
        "DVDGAN_NODE_TIMEOUT",
        whole(5),
        120,
        "seconds without a heartbeat after which a node is lost",
        example="60",
    )


@dataclass(frozen=True)
class Devices:
    """Which devices are used."""

    evaluation: str | None = _key(
        "DVDGAN_EVALUATION_DEVICE",
        DEVICE,
        None,
        "device for sampling and measuring clips",
        without="during training the last GPU, in other stages the first; without a GPU the CPU",
        example="cuda:1",
    )


@dataclass(frozen=True)
class Stores:
    """Where shards and backups are."""

    shards: str | None = _key(
        "DVDGAN_SHARDS",
        STORE,
        None,
        "store from which every stage reads shards",
        without="artifacts/shards",
        example="s3://BUCKET/shards",
    )
    shard_cache: Path | None = _key(  # noqa: RUF009 (its default is None)
        "DVDGAN_SHARD_CACHE",
        FOLDER,
        None,
        "local folder for caching data from that store",
        without="no cache",
        example="/scratch/shards",
    )
    shard_cache_gb: float = _key(
        "DVDGAN_SHARD_CACHE_GB",
        positive("gigabytes"),
        10.0,
        "maximum size of that folder, gigabytes",
        example="200",
    )
    backup: str | None = _key(
        "DVDGAN_BACKUP",
        STORE,
        None,
        "store for remote backups of runs",
        without="no backup",
        example="s3://BUCKET/runs",
    )
    backup_mbps: float | None = _key(
        "DVDGAN_BACKUP_MBPS",
        positive("megabytes per second"),
        None,
        "maximum transfer rate of the backup in either direction, megabytes per second",
        without="no limit",
        example="50",
    )

    @property
    def shard_cache_bytes(self) -> int:
        return int(1e9 * self.shard_cache_gb)

    @property
    def backup_bytes_per_second(self) -> float | None:
        return None if self.backup_mbps is None else 1e6 * self.backup_mbps


@dataclass(frozen=True)
class Retention:
    """Which checkpoints are kept."""

    keep_last: int = _key(
        "DVDGAN_KEEP_LAST",
        whole(1),
        2,
        "number of newest checkpoints to keep",
        example="3",
    )
    keep_every: int | None = _key(
        "DVDGAN_KEEP_EVERY",
        whole(1),
        None,
        "keep checkpoints at multiples of this number of steps",
        without="none",
        example="10000",
    )


@dataclass(frozen=True)
class Evaluations:
    """Evaluations of checkpoints during training."""

    worker: bool = _key(
        "DVDGAN_EVALUATION_WORKER",
        YES_OR_NO,
        False,
        "evaluate with a Prefect worker on another host, if there is one",
        example="true",
    )
    failed_evaluations: int = _key(
        "DVDGAN_FAILED_EVALUATIONS",
        whole(1),
        3,
        "number of consecutive checkpoints with failed evaluations that ends the run",
        example="5",
    )


@dataclass(frozen=True)
class PrefectServer:
    """The Prefect server, and what needs one (docs/prefect.md)."""

    api_url: str | None = _key(
        "PREFECT_API_URL",
        ADDRESS,
        None,
        "show every step of `dvdgan train` on this server",
        without="without Prefect",
        example="http://127.0.0.1:4200/api",
    )
    approve_rollbacks: bool = _key(
        "DVDGAN_APPROVE_ROLLBACKS",
        YES_OR_NO,
        False,
        "a rollback needs a person's approval",
        example="true",
    )
    files_url: str | None = _key(
        "DVDGAN_URL",
        ADDRESS,
        None,
        "address at which this folder is served, for links to reports on the server's pages",
        without="paths instead of links",
        example="http://127.0.0.1:4201",
    )


@dataclass(frozen=True)
class Sections:
    """All sections, with the defaults of their keys."""

    launch: Launch = Launch()
    nodes: Nodes = Nodes()
    devices: Devices = Devices()
    stores: Stores = Stores()
    retention: Retention = Retention()
    evaluation: Evaluations = Evaluations()
    prefect: PrefectServer = PrefectServer()
    trackers: tuple[str, ...] = _key(
        "DVDGAN_TRACKERS",
        several_of(*TRACKERS),
        (),
        "where metrics of training are logged as well",
        without="none",
        example="[tensorboard, wandb]",
    )


def _keys() -> Iterator[Key]:
    for each in fields(Sections):
        if each.metadata:
            yield Key(name=each.name, **each.metadata)
        else:
            for below in fields(each.type):  # type: ignore[arg-type]
                yield Key(name=f"{each.name}.{below.name}", **below.metadata)


KEYS = {key.name: key for key in _keys()}
"""Every key by its dotted name, in the order of the sections."""

SECTIONS = {each.name: (each.type.__doc__ or "") for each in fields(Sections) if not each.metadata}
"""The meaning of every section by its name."""

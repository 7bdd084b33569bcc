"""Settings of a run that cannot change a number, from the environment: devices, places."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dvdgan.errors import UserError

TRACKERS = ("tensorboard", "dvclive", "wandb")
WAIT, GO_ON = "wait", "go_on"

# Names of version 0.1. They are refused: a backup that is silently not made would be a loss.
RENAMED = {
    "DVDGAN_MIRROR": "DVDGAN_BACKUP",
    "DVDGAN_MIRROR_MBPS": "DVDGAN_BACKUP_MBPS",
    "DVDGAN_ASK_BEFORE_ROLLBACK": "DVDGAN_APPROVE_ROLLBACKS",
}

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class RunEnvironment:
    """The variables named DVDGAN_..., checked. docs/stages/train.md lists them."""

    launcher: tuple[str, ...]
    """The words before the trainer's module name; DVDGAN_LAUNCHER replaces the default of one
    plain process, for instance by `torchrun --nproc-per-node 8 -m`."""
    loader_workers: int
    """Processes that load clips, for each trainer process; 0: it loads them itself."""
    backup: str | None
    """URL of the store of remote backups; None: no backup."""
    backup_bytes_per_second: float | None
    """The most a remote backup may send or fetch; None: no limit."""
    keep_last: int
    """How many of the newest checkpoints are kept."""
    keep_every: int | None
    """Checkpoints at multiples of this many steps are kept; None: of none."""
    trackers: tuple[str, ...]
    """Where else the metrics of the steps go, of TRACKERS."""
    shards: str | None
    """URL of the store the tars are read from; None: artifacts/shards."""
    shard_cache: Path | None
    """Folder that keeps what was read from the store of shards; None: none."""
    shard_cache_bytes: int
    """The most it holds."""
    evaluation_device: str | None
    """Where clips are sampled and measured, as torch's name; None: evaluation/device.py chooses."""
    failed_evaluations: int
    """So many checkpoints in a row whose evaluation fails end the run."""
    evaluation_worker: bool
    """Whether a Prefect worker elsewhere measures checkpoints, where there is one."""
    approve_rollbacks: bool
    """Whether a rollback needs a person's approval, through Prefect."""
    nodes: tuple[tuple[str, str], ...]
    """Name and address of each host that trains; (): this one alone."""
    node_processes: int
    """Trainer processes on each of ``nodes``."""
    lost_node: str
    """What is done when one of ``nodes`` is lost: WAIT for it, or GO_ON with what is left."""
    node_timeout: float
    """Seconds of silence after which a node is lost."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> "RunEnvironment":
        """Read ``variables``. Raises UserError naming the variable, its value and what it may be.

        A variable that is empty counts as not set. One that was renamed is refused.
        """
        _refuse_renamed(variables)

        def read(name: str, meaning: Callable[[str], ValueT], default: ValueT) -> ValueT:
            text = variables.get(name, "").strip()
            return meaning(text) if text else default

        rate = _positive("DVDGAN_BACKUP_MBPS", "megabytes per second")
        gigabytes = _positive("DVDGAN_SHARD_CACHE_GB", "gigabytes")
        megabytes = read("DVDGAN_BACKUP_MBPS", rate, None)
        return cls(
            launcher=tuple(read("DVDGAN_LAUNCHER", str.split, [sys.executable, "-m"])),
            loader_workers=read("DVDGAN_LOADER_WORKERS", _whole("DVDGAN_LOADER_WORKERS", 0), 0),
            backup=read("DVDGAN_BACKUP", str, None),
            backup_bytes_per_second=None if megabytes is None else megabytes * 1e6,
            keep_last=read("DVDGAN_KEEP_LAST", _whole("DVDGAN_KEEP_LAST", 1), 2),
            keep_every=read("DVDGAN_KEEP_EVERY", _whole("DVDGAN_KEEP_EVERY", 1), None),
            trackers=read("DVDGAN_TRACKERS", _trackers, ()),
            shards=read("DVDGAN_SHARDS", str, None),
            shard_cache=read("DVDGAN_SHARD_CACHE", Path, None),
            shard_cache_bytes=int(1e9 * read("DVDGAN_SHARD_CACHE_GB", gigabytes, 10.0)),
            evaluation_device=read("DVDGAN_EVALUATION_DEVICE", _device, None),
            failed_evaluations=read(
                "DVDGAN_FAILED_EVALUATIONS", _whole("DVDGAN_FAILED_EVALUATIONS", 1), 3
            ),
            evaluation_worker=read(
                "DVDGAN_EVALUATION_WORKER", _yes_or_no("DVDGAN_EVALUATION_WORKER"), False
            ),
            approve_rollbacks=read(
                "DVDGAN_APPROVE_ROLLBACKS", _yes_or_no("DVDGAN_APPROVE_ROLLBACKS"), False
            ),
            nodes=read("DVDGAN_NODES", _nodes, ()),
            node_processes=read("DVDGAN_NODE_PROCESSES", _whole("DVDGAN_NODE_PROCESSES", 1), 1),
            lost_node=read("DVDGAN_LOST_NODE", _lost_node, WAIT),
            node_timeout=float(read("DVDGAN_NODE_TIMEOUT", _whole("DVDGAN_NODE_TIMEOUT", 5), 120)),
        )

    def refuse_without_prefect(self) -> None:
        """Raise UserError if a variable requires Prefect."""
        if self.nodes:
            raise UserError(
                "trainers on other hosts cannot be started without a Prefect server",
                where="the environment variable DVDGAN_NODES",
                todo="set PREFECT_API_URL to a running server, or unset the variable "
                "(docs/clusters.md)",
            )
        if self.approve_rollbacks:
            raise UserError(
                "rollbacks cannot be approved without a Prefect server",
                where="the environment variable DVDGAN_APPROVE_ROLLBACKS",
                todo="set PREFECT_API_URL to a running server, or unset the variable",
            )


def _refuse_renamed(variables: Mapping[str, str]) -> None:
    old = [name for name in RENAMED if variables.get(name, "").strip()]
    if old:
        raise UserError(
            f"{' and '.join(f'{name} is called {RENAMED[name]}' for name in old)} now",
            where=f"the environment variable {old[0]}",
            todo=f"set {' and '.join(RENAMED[name] for name in old)}, and unset the old name",
        )


def _whole(name: str, least: int) -> Callable[[str], int]:
    def meaning(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise _refused(name, text, f"a whole number, {least} or more")
        return int(text)

    return meaning


def _positive(name: str, of_what: str) -> Callable[[str], float]:
    def meaning(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            raise _refused(name, text, f"a number of {of_what} above 0")
        return number

    return meaning


def _trackers(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not set(names) <= set(TRACKERS):
        allowed = f"a comma-separated list of {', '.join(TRACKERS)}"
        raise _refused("DVDGAN_TRACKERS", text, allowed)
    return names


def _device(text: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", text):
        raise _refused("DVDGAN_EVALUATION_DEVICE", text, "cpu, cuda, or cuda:1 for the second GPU")
    return text


def _yes_or_no(name: str) -> Callable[[str], bool]:
    def meaning(text: str) -> bool:
        if text not in ("0", "1"):
            raise _refused(name, text, "1 or 0")
        return text == "1"

    return meaning


def _nodes(text: str) -> tuple[tuple[str, str], ...]:
    found = [re.fullmatch(r"([\w.-]+)=(\S+)", part.strip()) for part in text.split(",")]
    nodes = tuple(match.groups() for match in found if match)
    names, addresses = {node[0] for node in nodes}, {node[1] for node in nodes}
    if not len(names) == len(addresses) == len(found):
        allowed = "a comma-separated list of NAME=ADDRESS, each node once"
        raise _refused("DVDGAN_NODES", text, allowed)
    return nodes  # type: ignore[return-value]


def _lost_node(text: str) -> str:
    if text not in (WAIT, GO_ON):
        raise _refused("DVDGAN_LOST_NODE", text, f"{WAIT} or {GO_ON}")
    return text


def _refused(name: str, text: str, allowed: str) -> UserError:
    return UserError(
        f"{name} is {text!r}: it must be {allowed}",
        where=f"the environment variable {name}",
        todo=f"correct it, or unset {name} to use the default",
    )

"""All checks, in the order in which they are made."""

from collections.abc import Iterable, Iterator

from dvdgan.doctor import (
    clock,
    disk,
    dvc_project,
    gpu,
    locks,
    prefect_server,
    processes,
    software,
    stores,
    weights,
)
from dvdgan.doctor.check_process import Check, findings_of
from dvdgan.doctor.finding import Finding
from dvdgan.doctor.settings import DoctorSettings
from dvdgan.errors import UserError

CHECKS: dict[str, Check] = {
    software.NAME: software.check,
    gpu.NAME: gpu.check,
    processes.NAME: processes.check,
    weights.NAME: weights.check,
    disk.NAME: disk.check,
    locks.NAME: locks.check,
    dvc_project.NAME: dvc_project.check,
    stores.VIDEOS: stores.check_videos,
    stores.SHARD_STORE: stores.check_shards,
    stores.BACKUP: stores.check_backup,
    clock.NAME: clock.check,
    prefect_server.NAME: prefect_server.check,
}


def diagnose(settings: DoctorSettings, names: Iterable[str] = ()) -> Iterator[Finding]:
    """What the checks ``names`` (none: all) find. Raises UserError for an unknown name."""
    chosen = list(names) or list(CHECKS)
    unknown = [name for name in chosen if name not in CHECKS]
    if unknown:
        raise UserError(
            f"there is no check {', '.join(unknown)}", todo=f"choose of {', '.join(CHECKS)}"
        )
    for name in chosen:
        yield from findings_of(name, CHECKS[name], settings)

"""This machine's clock, compared with the servers of a run."""

import time
from collections.abc import Iterator

from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding
from dvdgan.doctor.settings import DoctorSettings
from dvdgan.storage.open_store import open_store
from dvdgan.storage.store import StoreUnavailableError

NAME = "clock"
# S3 refuses requests whose time differs by more.
MOST_SECONDS = 15 * 60
# A server's Date is in whole seconds.
WARNING_SECONDS = 5


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """A line for each S3 store; Prefect's server is compared by the check prefect."""
    from dvdgan.data.raw_root import open_root

    stores = settings.machine.stores
    places = [stores.backup, stores.shards, str(open_root(settings.videos))]
    urls = list(dict.fromkeys(each for each in places if each and each.startswith("s3://")))
    if not urls:
        yield Finding(NAME, NOT_USED, "no S3 store to compare the clock with")
    for url in urls:
        from dvdgan.storage.s3 import S3Store

        store = open_store(url)
        assert isinstance(store, S3Store)
        began = time.time()
        try:
            there = store.server_time()
        except StoreUnavailableError:
            yield Finding(NAME, WARNING, f"unknown: {url} does not answer", "see its own line")
            continue
        if there is None:
            yield Finding(NAME, WARNING, f"unknown: answers of {url} have no date")
        else:
            yield compared(url, there, (began + time.time()) / 2)


def compared(server: str, there: float, here: float) -> Finding:
    """Of two times, in seconds since 1970."""
    seconds = abs(there - here)
    if seconds < WARNING_SECONDS:
        message = f"as that of {server}, to {max(1, round(seconds))} s"
        return Finding(NAME, OK, message)
    order = "behind" if here < there else "ahead of"
    message = f"{seconds:,.0f} s {order} that of {server}"
    todo = "set it by NTP (`timedatectl set-ntp true`)"
    if seconds < MOST_SECONDS:
        return Finding(NAME, WARNING, message, todo)
    return Finding(NAME, FAILS, f"{message}: S3 refuses more than 15 minutes", todo)

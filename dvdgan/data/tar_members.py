"""The members of a tar, found by their headers alone."""

import tarfile
from typing import BinaryIO

# A tar is filled up with zeros to a multiple of it.
RECORD_BYTES = tarfile.RECORDSIZE


def members_of(file: BinaryIO, size: int) -> tuple[list[tarfile.TarInfo], str | None]:
    """The members of an uncompressed tar of ``size`` bytes, and what ends them early, if anything.

    Members after a damaged header cannot be found, and one that is cut off is not listed; the
    sentence says so. What ``file`` itself raises as OSError is raised.
    """
    found: list[tarfile.TarInfo] = []
    try:
        with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as tar:
            for member in tar:
                # A negative size would lead back to where the reader has been.
                if member.size < 0 or (found and member.offset <= found[-1].offset):
                    return found, f"the header at byte {member.offset} is damaged"
                if member.isreg() and member.offset_data + member.size > size:
                    return found, f"the file ends at byte {size}, within the member {_last(member)}"
                found.append(member)
            return found, _end_of(file, tar.offset)
    except (tarfile.TarError, ValueError, ArithmeticError, RecursionError) as error:
        return found, f"not a complete tar ({error})"


def _last(member: tarfile.TarInfo) -> str:
    return ascii(member.name)


def _end_of(file: BinaryIO, at: int) -> str | None:
    """What is wrong with the end of the archive, which the reader found at byte ``at``."""
    file.seek(at)
    end = file.read(2 * RECORD_BYTES)
    if len(end) < tarfile.BLOCKSIZE:
        return f"the file ends at byte {at + len(end)}, without a tar's end marker"
    if end.strip(b"\0"):
        return f"the data after byte {at} are damaged, or another tar was appended"
    return None

"""Zip archives of arrays, checked by their directory before anything is unpacked."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

from dvdgan.errors import UserError

# Deflate makes a thousandth of zeros, and a tenth at the best of what is measured or filmed.
MOST_BYTES, MOST_TIMES = 1 << 30, 100


def refuse_bomb(path: Path) -> None:
    """Raise UserError for an archive that unpacks to more than MOST_BYTES and MOST_TIMES its size.

    Returns for a file that is not an archive.
    """
    try:
        if not is_zipfile(path):
            return
        with ZipFile(path) as archive:
            unpacked = sum(each.file_size for each in archive.infolist())
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise UserError(f"{path.name} is not a whole archive: {error}", where=str(path)) from error
    if unpacked > max(MOST_BYTES, MOST_TIMES * path.stat().st_size):
        raise UserError(
            f"{path.name} of {path.stat().st_size:,} bytes would unpack to {unpacked:,}",
            where=str(path),
            todo="save the arrays uncompressed (numpy.savez) if they are really that empty",
        )

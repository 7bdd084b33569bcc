"""Files that anyone may have written: what is wrong with one becomes an error that names it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvdgan.errors import UserError

# What code that expects other contents raises.
MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
MOST_SHOWN = 300


class DamagedFileError(UserError, ValueError):
    """A file does not hold what its reader expects."""


@contextmanager
def reading(path: Path | str, what: str) -> Iterator[None]:
    """Raise DamagedFileError in place of any error of MALFORMED in the block, which reads ``path``.

    ``what`` completes the sentence that the file is not ...
    """
    try:
        yield
    except UserError:
        raise
    except MALFORMED as error:
        reason = " ".join(str(error).split())
        reason = reason if len(reason) <= MOST_SHOWN else f"{reason[:MOST_SHOWN]} ..."
        raise DamagedFileError(
            f"{Path(path).name} is not {what}: {type(error).__name__}: {reason}",
            where=str(path),
            todo="write it again with the command that wrote it, or delete it, also in DVC's "
            "cache, and run `dvc pull` (docs/runbooks.md)",
        ) from error

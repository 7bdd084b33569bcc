"""What a check found: a state, what is so, and what to do about it."""

from dataclasses import dataclass

from dvdgan.errors import UserError, as_user_error, redacted
from dvdgan.storage.store import StoreUnavailableError

OK, WARNING, FAILS, NOT_USED = "ok", "warning", "fails", "not used"


@dataclass(frozen=True)
class Finding:
    """One line of `dvdgan doctor`. Credentials in URLs are removed."""

    name: str
    """What was checked, such as disk."""
    state: str
    """OK, WARNING (a run starts, and may be slow or fail later), FAILS or NOT_USED."""
    message: str
    todo: str = ""
    """What to do; empty if there is nothing to do."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", redacted(self.message))
        object.__setattr__(self, "todo", redacted(self.todo))


def failure(name: str, error: Exception) -> Finding | None:
    """The finding for an error with a known cause; None for any other, which is a bug."""
    if isinstance(error, StoreUnavailableError):
        return Finding(name, FAILS, str(error), "try again when it is available")
    known = as_user_error(error) if isinstance(error, OSError) else error
    if not isinstance(known, UserError):
        return None
    where = f" ({known.where})" if known.where and known.where not in known.what else ""
    return Finding(name, FAILS, known.what + where, known.todo)


def size(count: float) -> str:
    """Bytes in words: `3.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB" if count < 999.5 else f"{count:,.0f} TB"

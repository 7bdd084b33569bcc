"""The errors that end a command, their exit codes, and the removal of credentials from messages.

0 is success; 2 is an error that the user can fix; 75 (EX_TEMPFAIL) is an interruption after which
the same command resumes.
"""

import errno
import os
import re

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 75

# In a URL: user and password before the host, and the query, which contains signatures. Some
# libraries print a query without its URL.
_USER = re.compile(r"(\w://)[^\s/?#\"'<>]*@")
_QUERY = re.compile(r"(\w://[^\s?\"'<>]*\?)[^\s\"'<>)]+")
_SECRET = re.compile(
    r"\b((?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature|sig|"
    r"token|access_token|password|api_key)=)[^\s&\"'<>)]+",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """``text`` without the credentials of the URLs in it: `https://***@host/path?***`.

    Applied to everything that is printed, logged, shown on a page or stored. The rest of the URL
    still identifies the location.
    """
    for secret in (_USER, _QUERY, _SECRET):
        text = secret.sub(lambda found: f"{found[1]}***{'@' if found[0][-1] == '@' else ''}", text)
    return text


class UserError(Exception):
    """An error that the user can fix: what is wrong, where it was found, what to do next.

    Credentials in URLs are removed.
    """

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what = redacted(what)
        self.where = redacted(where)
        self.todo = redacted(todo)
        super().__init__(self.what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.todo:
            lines.append(f"  to do: {self.todo}")
        return "\n".join(lines)


class NotFiniteError(UserError, FloatingPointError):
    """A generator's output holds values that are not finite."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what, todo="use an earlier checkpoint or, for samples, a truncation nearer to 1"
        )


class InterruptedRunError(Exception):
    """A signal stopped the run; its state is saved and the same command resumes it."""


_FREE_SPACE = "free some space, or write to another disk, and run the same command again"
_PERMISSION = "change the permissions, or choose another path"
_ANOTHER_PATH = "choose another path, or move the existing files away"

# Errors of the operating system with causes outside this program. Any other error, such as a
# missing file, may be a bug and keeps its traceback.
_TO_DO = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "raise the limit of file sizes (`ulimit -f`), or write to another disk",
    errno.EROFS: "write to another disk",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "fix the link that points to itself",
    errno.EEXIST: _ANOTHER_PATH,
    errno.ENOTDIR: _ANOTHER_PATH,
    errno.EISDIR: _ANOTHER_PATH,
    errno.EMFILE: "raise the limit of open files (`ulimit -n`), or use fewer --workers",
    errno.ENFILE: "close other programs: the machine has too many open files",
    errno.EIO: "check the disk (`dmesg` shows its errors) or the network share",
    errno.ESTALE: "mount the network share again",
}


def as_user_error(error: OSError) -> UserError | None:
    """The UserError for a failure of the disk or the file system; None for any other error."""
    if error.errno not in _TO_DO:
        return None
    what = error.strerror or os.strerror(error.errno)
    where = "" if error.filename is None else os.fsdecode(error.filename)
    return UserError(what, where=where, todo=_TO_DO[error.errno])

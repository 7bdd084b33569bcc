"""The two ways a command ends early, and their exit codes.

0 is success; 2 is a mistake the user can mend; 75 (EX_TEMPFAIL) is an interruption after which
the same command goes on where it stopped.
"""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 75


class UserError(Exception):
    """Something the user can mend: what is wrong, where it was found, what to do next."""

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what = what
        self.where = where
        self.todo = todo
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.todo:
            lines.append(f"  to do: {self.todo}")
        return "\n".join(lines)


class InterruptedRunError(Exception):
    """A signal asked the run to stop; its state is saved and the same command resumes it."""

"""Standard output and error that do not stop a command when their reader has left."""

import io
import os
import sys
from typing import Any


def keep_streams() -> None:
    """Let a command continue when the reader of its output has left.

    What is printed to a pipe whose reader has left, or to a stream that was closed before the
    command began, is dropped; a character that the encoding lacks is escaped. Any other failure,
    such as a full disk, raises OSError once.
    """
    _fill_closed_descriptors()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _kept(stream))
        else:  # a test's own
            stream.reconfigure(errors="backslashreplace")


def _fill_closed_descriptors() -> None:
    """Replace them by /dev/null; otherwise output would go to the next file that is opened."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _kept(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    output = _Output(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=stream.encoding,
        errors="backslashreplace",
        # python -u writes through to what was unbuffered below, and is not here.
        line_buffering=stream.line_buffering or stream.write_through,
        write_through=stream.write_through,
    )


class _Output(io.FileIO):
    """A descriptor that takes everything once writing to it has failed."""

    _failed = False

    def write(self, data: Any, /) -> int:
        if self._failed:
            return len(data)
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            self._failed = True
            return len(data)
        except OSError:
            self._failed = True
            raise

"""The command line: `dvdgan COMMAND`."""

import os
import sys

# Importing a module adds its commands to the application, in this order.
from dvdgan.cli import data, pipeline, bundle, standalone, review, scaling, doctor  # isort: skip
from dvdgan.cli.options import app
from dvdgan.errors import (
    EXIT_INTERRUPTED,
    EXIT_USER_ERROR,
    InterruptedRunError,
    UserError,
    as_user_error,
)
from dvdgan.guard.interruption import interrupt_on_signals
from dvdgan.guard.parent_death_signal import set_parent_death_signal
from dvdgan.provenance.lock import refuse_outdated_lock
from dvdgan.storage.store import StoreUnavailableError
from dvdgan.streams import keep_streams

__all__ = ["app", "bundle", "data", "doctor", "main", "pipeline", "review", "scaling", "standalone"]


def main() -> None:
    """Run the command line; errors become messages and exit codes."""
    if "DVC_STAGE" in os.environ:
        set_parent_death_signal()  # a killed `dvc repro` must not leave its stage running
    keep_streams()
    interrupt_on_signals()
    try:
        try:
            if "DVC_STAGE" in os.environ:
                refuse_outdated_lock()  # else DVC takes stages with changed code for up to date
            app()
        finally:
            sys.stdout.flush()
    except UserError as error:
        _end_with(error)
    except StoreUnavailableError as error:
        print(
            f"interrupted: {error}; run the same command again when it is available",
            file=sys.stderr,
        )
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        known = as_user_error(error)
        if known is None:
            raise
        _end_with(known)
    except InterruptedRunError as error:
        print(f"interrupted: {error}; the same command resumes", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def _end_with(error: UserError) -> None:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(EXIT_USER_ERROR)

"""`dvdgan train` without what comes before and after it: SCRIPT RUN_FOLDER, supervised.

Evaluations that are in the run folder already are not measured again. DVDGAN_BACKUP is used.
"""

import sys
from pathlib import Path

from dvdgan.config.schema import RunSettings
from dvdgan.errors import EXIT_INTERRUPTED, InterruptedRunError
from dvdgan.guard.interruption import interrupt_on_signals
from dvdgan.guard.remote_backup import backed_up
from dvdgan.guard.run_folder import RunFolder
from dvdgan.guard.supervisor import SupervisorActions, supervise
from dvdgan.machine import Machine

interrupt_on_signals()
run = RunFolder(Path(sys.argv[1]))
settings = RunSettings.model_validate_json(run.settings.read_text(encoding="utf-8"))
try:
    with backed_up(run, Machine.load()):
        supervise(run, settings.train, SupervisorActions())
except InterruptedRunError as stopped:
    print(stopped, flush=True)
    sys.exit(EXIT_INTERRUPTED)

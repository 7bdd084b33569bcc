"""The trainer itself at full size: a step, its wait for clips, memory, what checkpoints hold up.

    python benchmarks/trainer_steps.py --batch 16            the paper's 64 x 64, 12 frames, in bf16
    python benchmarks/trainer_steps.py --batch 8 --precision fp32 --preset PRESET

Trains on a small set of drawn videos in a temporary folder, as `dvdgan train` starts the trainer,
kills it (SIGKILL) and starts it again. Seen from outside, by the arrival of the lines it writes:
the pause is how much longer a line takes to come where a checkpoint was taken before it, the first
one apart, and longer still where the one before is not yet written; the slowest step is one beside
finding memory for them, or beside writing. Medians. One trainer process, on a GPU where there is
one.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import torch
from trainer_processes import lines, new_run, prepared

from dvdgan.config.schema import Config
from dvdgan.guard.run_folder import RunFolder
from dvdgan.storage.output import check_output_file, write_output

STANDARD = Path(__file__).resolve().parents[1] / "presets" / "table1_12x64.yaml"
WARM_UP, CHECKPOINTS = 4, 3
POLL_SECONDS = 0.002


class Followed:
    """A trainer process, and when each step's line was seen: step -> seconds of the clock."""

    def __init__(self, run: RunFolder, log: Path) -> None:
        self._run, self._log = run, log
        self.seen: dict[int, float] = {}
        self.began = time.perf_counter()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dvdgan.training", str(run.root)],
                stdout=output,
                stderr=output,
                env=os.environ | {"DVDGAN_LOADER_WORKERS": "2"},
            )
        self._last = len(lines(run.metrics))

    def until(self, step: int) -> None:
        """Wait for the line of ``step``. Raises SystemExit, with its last words, where it ends."""
        while step not in self.seen:
            now, count = time.perf_counter(), len(lines(self._run.metrics))
            # A resumed trainer first cuts lines of steps that it will do again.
            self.seen |= dict.fromkeys(range(self._last + 1, count + 1), now)
            self._last = count
            if self.process.poll() is not None and step not in self.seen:
                raise SystemExit(f"the trainer ended: {self._log.read_text()[-2000:]}")
            time.sleep(POLL_SECONDS)


def measure(folder: Path, config: Config, arguments: argparse.Namespace) -> dict[str, object]:
    """Train, kill, train on; what was seen."""
    every = arguments.every
    steps = WARM_UP + CHECKPOINTS * every + 1
    changes = {
        "steps": steps,
        "checkpoint_every": every,
        "batch_size": arguments.batch,
        "precision": arguments.precision,
        "accumulation": arguments.accumulation,
    }
    run, log = new_run(folder, config, "run", **changes), folder / "log"
    first = Followed(run, log)
    first.until(steps)
    first.process.wait()
    gaps = {later: first.seen[later] - first.seen[sooner] for sooner, later in pairwise(first.seen)}
    plain = [gap for step, gap in gaps.items() if step > WARM_UP and (step - 1) % every]
    after = [gap for step, gap in gaps.items() if step > every and (step - 1) % every == 0]
    timing = lines(run.timing)[WARM_UP:]
    step_seconds = statistics.median(plain)
    run.remove(steps)
    again = Followed(run, log)
    resumed_at = max(run.saved_steps()) + 1
    again.until(resumed_at)
    again.process.send_signal(signal.SIGKILL)
    again.process.wait()
    size = sum(path.stat().st_size for path in run.checkpoint(resumed_at - 1).iterdir())
    memory = [line["gpu_memory_gib"] for line in timing if "gpu_memory_gib" in line]
    return {
        "first_step_after_s": first.seen[1] - first.began,
        "step_s": step_seconds,
        "slowest_step_s": max(gap for step, gap in gaps.items() if step > 2 and (step - 1) % every),
        "clips_per_second": arguments.batch / step_seconds,
        "waiting_for_clips": statistics.median(line["data_wait_share"] for line in timing),
        "first_checkpoint_pause_s": after[0] - step_seconds,
        "checkpoint_pause_s": statistics.median(after[1:]) - step_seconds,
        "checkpoint_gb": size / 1e9,
        "resumed_first_step_after_s": again.seen[resumed_at] - again.began,
        "gpu_memory_gib": max(memory, default=None),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", type=Path, default=STANDARD)
    parser.add_argument("--batch", type=int, required=True, help="clips in a step's batch")
    parser.add_argument("--accumulation", type=int, default=1)
    parser.add_argument("--every", type=int, default=10, help="steps from checkpoint to checkpoint")
    parser.add_argument("--precision", choices=["fp32", "bf16", "fp16"], default="bf16")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary one")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    if arguments.write is not None:
        check_output_file(arguments.write)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        config = prepared(Path(temporary), arguments.preset)
        measured = measure(Path(temporary), config, arguments)
    result = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        "torch": torch.__version__,
        "preset": arguments.preset.stem,
        "batch": arguments.batch,
        "accumulation": arguments.accumulation,
        "precision": arguments.precision,
        "checkpoint_every": arguments.every,
        **measured,
    }
    print(json.dumps(result, indent=2))
    if arguments.write is not None:
        write_output(arguments.write, result)


if __name__ == "__main__":
    main()

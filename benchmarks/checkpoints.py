"""What a checkpoint costs: its size, the pause it makes, writing beside training, loading.

    python benchmarks/checkpoints.py                                  the paper's 64 x 64, 12 frames
    python benchmarks/checkpoints.py --preset presets/moving_shapes.yaml

Training pauses while the state is copied (`StagedCheckpoint.stage`), and continues while memory for
the copy is allocated and while it is written. Medians. How much writing slows a stand-in for
training (a matmul on one thread less than there are cores) is a ratio.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch

from dvdgan.config import load_config
from dvdgan.guard.run_folder import verify_checkpoint
from dvdgan.storage.output import check_output_file, write_output
from dvdgan.training.checkpoint import StagedCheckpoint, all_tensors, load_checkpoint
from dvdgan.training.state import initial_state

CLASSES = 600
STANDARD = Path(__file__).resolve().parents[1] / "presets" / "table1_12x64.yaml"


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def stand_in(ended: Callable[[], bool]) -> list[float]:
    """Seconds of each matmul until ``ended``."""
    square = torch.randn(1024, 1024)
    found = []
    while not ended():
        found.append(seconds(lambda: square @ square))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", type=Path, default=STANDARD)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary one")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    if arguments.write is not None:
        check_output_file(arguments.write)

    config = load_config(arguments.preset)
    state = initial_state(
        config.clip, config.model, config.train, CLASSES, torch.device(arguments.device)
    )
    tensors = sum(1 for _ in all_tensors(state))  # begins Adam's moments, too
    staged = StagedCheckpoint()
    reserved = seconds(staged.allocate(state))
    copies = [seconds(lambda: staged.stage(state)) for _ in range(arguments.repeats)]

    root = Path(tempfile.mkdtemp(dir=arguments.folder))
    folder = root / "step-00000001"
    torch.set_num_threads(max(torch.get_num_threads() - 1, 1))
    clock = time.monotonic() + 5
    alone = stand_in(lambda: time.monotonic() > clock)
    written: list[float] = []
    thread = threading.Thread(target=lambda: written.append(seconds(lambda: staged.write(folder))))
    thread.start()
    beside = stand_in(lambda: not thread.is_alive())
    size = sum(path.stat().st_size for path in folder.iterdir())
    verified = seconds(lambda: verify_checkpoint(folder))
    loaded = seconds(lambda: load_checkpoint(state, folder))
    shutil.rmtree(root)

    result = {
        "preset": arguments.preset.stem,
        "parameters": {
            "generator": sum(p.numel() for p in state.generator.parameters()),
            "discriminators": sum(p.numel() for p in state.discriminators.parameters()),
        },
        "tensors": tensors,
        "size_gb": size / 1e9,
        "memory_s": reserved,
        "copy_ms": 1e3 * statistics.median(copies),
        "write_s": written[0],
        "training_beside_writing": statistics.median(beside) / statistics.median(alone),
        "verify_s": verified,
        "load_s": loaded,
    }
    print(json.dumps(result, indent=2))
    if arguments.write is not None:
        write_output(arguments.write, result)


if __name__ == "__main__":
    main()

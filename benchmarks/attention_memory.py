"""Peak memory of attention over a video: separable, stored or fused, against all positions at once.

    python benchmarks/attention_memory.py --height 64 --width 64 --frames 48

Every case runs in a process of its own: what its forward adds to the process's peak memory, beside
the paper's formula for the largest weight tensor, max(H^2 W T, H W^2 T, H W T^2) against (H W T)^2
entries. `stored` keeps the weights as the paper's does, `fused` is what dvdgan runs. Attention over
all positions is stored at sizes that fit, and by the formula at the requested size.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from dvdgan.models.attention import SelfAttention, SeparableSelfAttention
from dvdgan.storage.output import check_output_file, write_output

CHANNELS, REPEATS = 8, 3
KERNELS = {
    "stored": [SDPBackend.MATH],
    "fused": [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION],
}
MIB = 2**20


def main() -> None:
    """Measure every case in its own process and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--case", nargs=2, metavar=("KIND", "KERNEL"), help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    size = parser.parse_args()
    if size.write is not None:
        check_output_file(size.write)
    if size.case:
        print(json.dumps(_measure(*size.case, size.height, size.width, size.frames)))
        return
    whole = (size.height, size.width, size.frames)
    # All positions at once fit into memory for fewer frames only: the formula is checked there.
    cases = [
        ("separable", "stored", whole),
        ("separable", "fused", whole),
        ("full", "stored", (size.height, size.width, 1)),
        ("full", "stored", (size.height, size.width, 2)),
        ("full", "fused", (size.height, size.width, 2)),
    ]
    rows = [_row(*case) for case in cases]
    entries = weight_entries("full", *whole)
    print(f"{'':44}{'peak MiB':>10}{'formula MiB':>13}{'seconds':>9}")
    for row in rows:
        print(f"{row['case']:44}{row['peak_mib']:>10}{row['formula_mib']:>13}{row['seconds']:>9}")
    name = "full, stored, {}x{}x{} (not run)".format(*whole)
    print(f"{name:44}{'':>10}{entries * 4 / MIB:>13.1f}")
    print(f"ratio by the formula: {entries / weight_entries('separable', *whole):.0f}")
    if size.write is not None:
        write_output(size.write, {"rows": rows})


def weight_entries(kind: str, height: int, width: int, frames: int) -> int:
    """Entries of the largest tensor of attention weights (paper 3.2)."""
    positions = height * width * frames
    return positions**2 if kind == "full" else positions * max(height, width, frames)


def _row(kind: str, kernel: str, shape: tuple[int, int, int]) -> dict[str, object]:
    height, width, frames = map(str, shape)
    command = [sys.executable, __file__, "--case", kind, kernel]
    command += ["--height", height, "--width", width, "--frames", frames]
    runs = [json.loads(subprocess.check_output(command)) for _ in range(REPEATS)]
    formula = 0 if kernel == "fused" else weight_entries(kind, *shape) * 4
    return {
        "case": f"{kind}, {kernel}, {height}x{width}x{frames}",
        "peak_mib": round(statistics.median(run["bytes"] for run in runs) / MIB, 1),
        "formula_mib": round(formula / MIB, 1),
        "seconds": round(statistics.median(run["seconds"] for run in runs), 2),
    }


def _measure(kind: str, kernel: str, height: int, width: int, frames: int) -> dict[str, float]:
    """Bytes above what the process held before, and seconds, of one forward of one clip."""
    layer = SelfAttention(CHANNELS) if kind == "full" else SeparableSelfAttention(CHANNELS)
    layer.eval()
    with torch.inference_mode(), sdpa_kernel(KERNELS[kernel]):
        layer(torch.randn(1, 2, CHANNELS, 4, 4))  # loads what is loaded once
        x = torch.randn(1, frames, CHANNELS, height, width)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        layer(x)
        seconds = time.perf_counter() - began
    return {
        "bytes": 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before),
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()

"""How fast videos are listed, indexed and sharded, in how much memory, and hours for Kinetics-600.

    python benchmarks/raw_data_speed.py --videos FOLDER --write benchmarks/results/raw_data_cpu.json

FOLDER holds one folder of videos per class. It is copied until there are --copies of each video.
Rates are medians of --repeats runs with 1 and with 2 workers, per second and per core that the run
used (processor time of it and of its workers). Kinetics-600 is taken as 500,000 videos of 300
frames; a frame costs what it costs in the videos given here, so give videos of its size. Memory is
the largest of the stage's process with --rows rows, of which no video exists: the listing and the
outcomes are made up, as an earlier run would have left them.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dvdgan.config.load import load_config
from dvdgan.data.inspection import Accepted, append_outcomes
from dvdgan.data.listing import ListedFile, Listing
from dvdgan.data.listing_file import write_listing
from dvdgan.data.raw_video import RawVideo
from dvdgan.storage.local import read_json
from dvdgan.storage.output import check_output_file, write_output
from dvdgan.video.decode import VideoFacts

PRESET = Path(__file__).resolve().parents[1] / "presets" / "table1_12x64.yaml"
KINETICS_VIDEOS, KINETICS_FRAMES = 500_000, 300
CLASSES = 600
CLIP_FRAMES = 12

# Runs one stage in a process of its own; its last line is what it cost.
STAGE = """
import json, resource, sys, time
from pathlib import Path
from dvdgan.config.load import load_config
from dvdgan.stages import {stage} as stage
began = time.perf_counter()
stage.run(load_config(Path("params.yaml")), {arguments})
seconds = time.perf_counter() - began
own, below = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
cpu = own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime
print(json.dumps(dict(seconds=seconds, cpu_seconds=cpu, mib=own.ru_maxrss / 1024,
                      worker_mib=below.ru_maxrss / 1024)))
"""


def main() -> None:
    """Measure and print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    if arguments.write is not None:
        check_output_file(arguments.write)
    with tempfile.TemporaryDirectory() as name:
        result: dict[str, Any] = {"machine": f"{platform.processor()}, {os.cpu_count()} cores"}
        result |= rates(Path(name) / "rates", arguments)
        result["rows"] = {"count": arguments.rows, **large(Path(name) / "large", arguments.rows)}
    print(json.dumps(result, indent=1))
    if arguments.write is not None:
        write_output(arguments.write, result)


def rates(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Videos and frames a second of index and shard, and what a clip takes on disk."""
    root = folder / "videos"
    for copy in range(arguments.copies):
        for file in sorted(arguments.videos.glob("*/*")):
            target = root / file.parent.name / f"{copy}-{file.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            # Other bytes each, behind the container, so that no copy is a duplicate.
            target.write_bytes(file.read_bytes() + copy.to_bytes(8, "big"))
    _params(folder, str(root))
    found: dict[str, Any] = {}
    for stage in ("index", "shard"):
        for workers in (1, 2):
            runs = []
            for _ in range(arguments.repeats):
                shutil.rmtree(folder / f".runs/{stage}", ignore_errors=True)
                shutil.rmtree(folder / f"artifacts/{stage}", ignore_errors=True)
                runs.append(_run(stage, workers, folder))
            found[f"{stage}, {workers}"] = _median(runs)
    index = read_json(folder / "artifacts/shards/index.json")["totals"]
    videos, frames = index["videos"], index["frames"]
    for key, run in found.items():
        per_frame = run["cpu_seconds"] / frames
        hours = KINETICS_VIDEOS * KINETICS_FRAMES * per_frame / 3600
        found[key] = run | {
            "videos_per_second": videos / run["seconds"],
            "videos_per_core_second": videos / run["cpu_seconds"],
            "frames_per_core_second": 1 / per_frame,
            "kinetics600_hours_1_core": hours,
            "kinetics600_hours_64_cores": hours / 64,
        }
    for stage in ("index", "shard"):
        one, two = found[f"{stage}, 1"], found[f"{stage}, 2"]
        found[f"{stage}, speed of 2 workers over 1"] = one["seconds"] / two["seconds"]
    return found | {
        "videos": videos,
        "frames": frames,
        f"bytes per clip of {CLIP_FRAMES} frames": index["bytes"] / frames * CLIP_FRAMES,
    }


def large(folder: Path, rows: int) -> dict[str, Any]:
    """Seconds and memory of the stages' own process for ``rows`` videos that were probed before."""
    folder.mkdir()
    files = [
        ListedFile(f"class {number % CLASSES:03d}/{number:08d}.mp4", 10**6 + number, number)
        for number in range(rows)
    ]
    began = time.perf_counter()
    write_listing(Listing(list(files), Counter()), str(folder), folder / "videos.listing")
    written = time.perf_counter() - began
    _params(folder, "videos.listing")
    # One part of very many looks for one video, and leaves the folder in which outcomes belong.
    _run("index", f"1, ({rows}, {rows})", folder)
    [outcomes] = (folder / ".runs/index").glob("*/")
    facts = VideoFacts(KINETICS_FRAMES, 29.97, 340, 256, 1.0, 10.01, "h264")
    with append_outcomes(outcomes / "1-of-1.jsonl") as append:
        for number, file in enumerate(files):
            video = RawVideo(**asdict(file))
            append(video, Accepted(video, f"{number:064x}", facts))
    return {
        "listing_seconds": written,
        "listing_bytes_per_video": (folder / "videos.listing").stat().st_size / rows,
        "index": _run("index", 1, folder),
        "manifest_bytes_per_video": (folder / "artifacts/index/manifest.parquet").stat().st_size
        / rows,
    }


def _params(folder: Path, root: str) -> None:
    text = PRESET.read_text(encoding="utf-8").replace("data/kinetics600", root)
    text = text.replace("source: kinetics", "source: class_folders")
    text = text.replace("test_fraction: 0.05", "test_fraction: 0.25")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    load_config(folder / "params.yaml")


def _run(stage: str, arguments: object, folder: Path) -> dict[str, float]:
    code = STAGE.format(stage=stage, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, text=True, stdout=subprocess.PIPE, check=True
    )
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


if __name__ == "__main__":
    main()

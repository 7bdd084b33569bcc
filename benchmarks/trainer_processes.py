"""What starting again costs, and what a second process brings.

    python benchmarks/trainer_processes.py

Makes a small data set and trains the networks of moving_shapes on it in a temporary folder, each
process on one thread. Resume cost: from the start of the command to the first new line of metrics,
of which the first step itself is reported separately. Scaling: clips a second of one process and of
two that share the batch over gloo, in turns. Medians.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dvdgan.config import load_config, parse_config
from dvdgan.config.schema import Config, RunSettings
from dvdgan.data.synthetic import write_synthetic
from dvdgan.guard.run_folder import RunFolder
from dvdgan.stages import index, shard
from dvdgan.storage.local import write_json
from dvdgan.storage.output import check_output_file, write_output

PRESET = Path(__file__).resolve().parents[1] / "presets" / "moving_shapes.yaml"
WARM_UP = 2


def prepared(folder: Path, preset: Path = PRESET) -> Config:
    """The params of ``preset``, with shards of 24 videos in ``folder``/artifacts/shards."""
    params = load_config(preset).model_dump()
    params["index"]["root"] = str(folder / "videos")
    config = parse_config(params)
    write_synthetic(folder / "videos", videos_per_class=6)
    with contextlib.chdir(folder):
        index.run(config, workers=1)
        shard.run(config, workers=1)
    return config


def new_run(folder: Path, config: Config, name: str, **changes: int | str) -> RunFolder:
    run = RunFolder(folder / name)
    settings = RunSettings(
        clip=config.clip,
        model=config.model,
        train=config.train.model_copy(update={"preview_every": 10**6} | changes),
        shards=str(folder / "artifacts" / "shards"),
        features="",
        reference="",
        protocol="self_trained",
        fingerprint="benchmark",
    )
    write_json(run.settings, settings.model_dump())
    return run


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def train(run: RunFolder, processes: int) -> "subprocess.Popen[bytes]":
    launcher = [sys.executable, "-m"]
    if processes > 1:
        launcher += ["torch.distributed.run", "--standalone", "-m"]
        launcher[-1:-1] = ["--nproc-per-node", str(processes)]
    return subprocess.Popen(
        [*launcher, "dvdgan.training", str(run.root)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def resume_seconds(run: RunFolder, repeats: int) -> tuple[float, float]:
    """Medians: to the first new step, and that step's own seconds."""
    whole, steps = [], []
    for _ in range(repeats):
        before = len(lines(run.metrics))
        began = time.perf_counter()
        process = train(run, 1)
        while len(lines(run.metrics)) <= before:
            time.sleep(0.005)
        whole.append(time.perf_counter() - began)
        process.terminate()
        process.wait()
        steps.append(lines(run.timing)[before]["step_seconds"])
    return statistics.median(whole), statistics.median(steps)


def clips_per_second(run: RunFolder, processes: int) -> float:
    assert train(run, processes).wait() == 0
    return statistics.median(line["clips_per_second"] for line in lines(run.timing)[WARM_UP:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="of each run whose speed is taken")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    if arguments.write is not None:
        check_output_file(arguments.write)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = prepared(folder)
        first, step = resume_seconds(new_run(folder, config, "resumed"), arguments.repeats)
        speeds: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(arguments.repeats):
            for processes, found in speeds.items():
                run = new_run(folder, config, f"{processes}-{turn}", steps=arguments.steps)
                found.append(clips_per_second(run, processes))
    one, two = (statistics.median(found) for found in speeds.values())
    result = {
        "seconds_to_first_step": first,
        "of_which_the_step": step,
        "clips_per_second": {"1 process": one, "2 processes": two},
        "scaling": two / one,
    }
    print(json.dumps(result, indent=2))
    if arguments.write is not None:
        write_output(arguments.write, result)


if __name__ == "__main__":
    main()

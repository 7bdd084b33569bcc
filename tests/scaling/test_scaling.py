"""Predictions of whole runs, what breaks first, the command, and the table of the documentation."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import dvdgan.cli
from dvdgan.config import load_config
from dvdgan.config.schema import RunSettings
from dvdgan.errors import EXIT_USER_ERROR, UserError
from dvdgan.models.build import build_discriminators, build_generator
from dvdgan.scaling.command import ClusterOptions, predict_files
from dvdgan.scaling.hardware import CARDS, GIGA, Cluster
from dvdgan.scaling.prediction import PARTS, predict
from dvdgan.scaling.reference import rows_of, table_row
from dvdgan.scaling.workload import Workload, read_workload

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "presets" / "demo.yaml"
PAPER = ROOT / "presets" / "table1_12x64.yaml"
PAGE = ROOT / "docs" / "scaling.md"
Run = Callable[..., int]


@pytest.fixture(scope="module")
def paper() -> Workload:
    return read_workload(PAPER, precision="bf16")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `dvdgan scaling WORDS` in an empty folder; the exit code."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["dvdgan", "scaling", *words])
        with pytest.raises(SystemExit) as ended:
            dvdgan.cli.main()
        return int(ended.value.code or 0)

    return call


def with_run(folder: Path, clips_per_second: float, precision: str = "fp32") -> Path:
    """A run of the demo with a speed, one process."""
    config = load_config(DEMO)
    train = config.train.model_copy(update={"precision": precision})
    settings = RunSettings(
        clip=config.clip,
        model=config.model,
        train=train,
        shards="",
        features="",
        reference="",
        protocol="self_trained",
        fingerprint="f",
    )
    folder.mkdir()
    (folder / "settings.json").write_text(settings.model_dump_json())
    line = json.dumps({"clips_per_second": clips_per_second})
    (folder / "timing.jsonl").write_text(f"{line}\n" * 8)
    return folder


def test_the_counts_are_those_of_real_networks() -> None:
    config, found = load_config(DEMO), read_workload(DEMO)
    networks = (
        build_generator(config.model, config.clip, 600),
        build_discriminators(config.model, config.clip, 600),
    )
    counts = []
    for network in networks:
        count = 0
        for parameter in network.parameters():
            size = 1
            for side in parameter.shape:
                size *= side
            count += size
        counts.append(count)
    assert [found.generator_gradients, found.discriminator_gradients] == [4 * n for n in counts]
    # Two norms in each of three residual blocks' halves and one before the output: T x C channels.
    assert set(found.batch_norms) == {6 * 32, 6 * 16, 6 * 8}


def test_the_measured_steps_of_the_h100_come_out(paper: Workload) -> None:
    """16 clips in 0.570 s, 32 in 1.078 s (docs/speed.md); telemetry's benchmark: 0.625 s."""
    few = predict(replace(paper, batch=16), Cluster(), 1).step
    many = predict(replace(paper, batch=32), Cluster(), 1).step
    assert (few, many) == (pytest.approx(0.570, rel=0.01), pytest.approx(1.078, rel=0.01))
    assert few == pytest.approx(0.625, rel=0.1)


def test_a_run_is_the_sum_of_its_parts(paper: Workload) -> None:
    found = predict(paper, Cluster(), 64)
    assert list(found.seconds) == list(PARTS)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.hours == pytest.approx(sum(found.seconds.values()) / 3600)
    assert found.clips_per_second == pytest.approx(300_000 * 512 / (found.hours * 3600))
    assert found.step * 300_000 < found.hours * 3600
    assert found.gpu_hours == pytest.approx(64 * found.hours)


def test_one_gpu_waits_for_nobody(paper: Workload) -> None:
    found = predict(paper, Cluster(), 1)
    assert found.seconds["gradients"] == found.seconds["batch norm"] == 0
    assert found.workload.accumulation > 1  # 512 clips do not fit


def test_memory_raises_the_accumulation_and_says_so(paper: Workload) -> None:
    small = replace(CARDS["h100"], memory=24 * GIGA)
    before, after = predict(paper, Cluster(), 8), predict(paper, Cluster(small), 8)
    parts = after.workload.accumulation
    assert parts > before.workload.accumulation
    assert 64 % parts == 0
    assert paper.cost.train_memory(64 // parts) <= 24 * GIGA
    assert paper.cost.train_memory(64 // (parts // 2)) > 24 * GIGA
    tiny = replace(CARDS["h100"], memory=1 * GIGA)
    refused = predict(paper, Cluster(tiny), 8).refused
    assert refused is not None
    assert "memory" in refused


def test_a_batch_that_cannot_be_divided_is_refused_as_by_the_trainer(paper: Workload) -> None:
    for gpus in (3, 1024):
        assert "cannot be divided" in str(predict(paper, Cluster(), gpus).refused)
    assert predict(paper.accumulated(2), Cluster(), 512).refused is not None
    assert predict(paper.accumulated(2), Cluster(), 256).refused is None


def test_failures_that_come_faster_than_checkpoints_are_refused(paper: Workload) -> None:
    often = replace(Cluster(), gpu_hours_between_failures=10)
    assert "failure" in str(predict(paper, often, 64).refused)


def test_checkpoints_are_advised_by_the_failures(paper: Workload) -> None:
    rarely, often = (
        predict(paper, replace(Cluster(), gpu_hours_between_failures=hours), 64)
        for hours in (50_000, 500)
    )
    assert often.advised_checkpoint_every < rarely.advised_checkpoint_every
    assert paper.evaluate_every % often.advised_checkpoint_every == 0
    advised = replace(paper, checkpoint_every=often.advised_checkpoint_every)
    cluster = replace(Cluster(), gpu_hours_between_failures=500)
    assert predict(advised, cluster, 64).hours < often.hours


SLOW = {
    "launches": {"operation": 1e-3},
    "gradients": {"network": GIGA, "gpus_per_node": 4},
    "data": {"from_store": True, "store": 0.001 * GIGA},
    "checkpoints": {"copy": 0.0005 * GIGA},
    "evaluations": {"features": 0.05},
    "failures": {"gpu_hours_between_failures": 60},
    "weights": {"card": replace(CARDS["h100"], weight_bandwidth=1e11)},
    "clips": {
        "card": replace(
            CARDS["h100"], rates={"bf16": 1e13}, weight_bandwidth=1e15, memory=1000 * GIGA
        )
    },
}


@pytest.mark.parametrize("part", SLOW)
def test_what_is_made_slow_breaks_first(paper: Workload, part: str) -> None:
    from dvdgan.scaling.advice import limit

    cluster = replace(Cluster(), **SLOW[part])
    found = limit(predict(paper, cluster, 8), cluster, 1)
    assert found.part == part
    assert found.change.endswith(".")


def test_batch_norm_breaks_first_if_its_gathers_pass_many_gpus(paper: Workload) -> None:
    from dvdgan.scaling.advice import limit

    card = replace(CARDS["h100"], weight_bandwidth=1e15)
    cluster = replace(Cluster(card), operation=0, network=1e12)
    large = replace(paper, batch=4096)
    found = limit(predict(large, cluster, 4096), cluster, 1)
    assert found.part == "batch norm"
    assert "51 all-gathers" in found.change  # 17 norms, three forwards of G


def test_the_changes_help(paper: Workload) -> None:
    """Loaders, a cache and an evaluation worker, each where it breaks first."""
    slow = replace(Cluster(), from_store=True, store=0.001 * GIGA)
    assert predict(paper, replace(slow, from_store=False), 8).hours < predict(paper, slow, 8).hours
    slow = replace(Cluster(), decode_per_pixel=1e-5)
    more = replace(slow, loader_workers=2 * slow.loader_workers)
    assert predict(paper, more, 8).hours < predict(paper, slow, 8).hours
    slow = replace(Cluster(), features=1)
    other = replace(slow, evaluates_elsewhere=True)
    assert predict(paper, other, 8).seconds["evaluations"] == 0


def test_clips_loaded_in_the_trainer_are_waited_for(paper: Workload) -> None:
    hidden, own = (
        predict(paper, replace(Cluster(), loader_workers=workers), 8).seconds["data"]
        for workers in (2, 0)
    )
    assert hidden == 0
    # 512 clips, two updates of D, 12 x 64 x 64 pixels of 14.3 ns, on 8 cores.
    assert own == pytest.approx(300_000 * 1024 * 12 * 64 * 64 * 14.3e-9 / 8)


def test_the_command_prints_tables(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(PAPER), "--precision", "bf16", "--price-per-hour", "2") == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 100
    assert "measured on one H100" in output
    for gpus in (8, 64, 512):
        assert f"\n{gpus} GPUs: " in output
    assert "First: memory. 64 clips" in output
    row = next(line.replace(",", "") for line in output.splitlines() if "2 x 32" in line)
    gpu_hours, cost = (float(cell) for cell in row.split()[-2:])
    assert cost == pytest.approx(2 * gpu_hours, abs=1.5)


def test_what_was_not_measured_is_stated(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(PAPER)) == 0
    assert "NOT MEASURED on an H100 in fp32" in capsys.readouterr().out
    assert run(str(PAPER), "--precision", "bf16", "--card", "a100") == 0
    assert "NOT MEASURED on an A100 in bf16" in capsys.readouterr().out


def test_json_has_the_numbers(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(PAPER), "--gpus", "64", "--gpus", "3", "--json", "--price-per-hour", "2.5"]
    assert run(*words) == 0
    refused, found = json.loads(capsys.readouterr().out)
    assert (refused["gpus"], found["gpus"], found["nodes"]) == (3, 64, 8)
    assert "shares" not in refused
    assert found["cost"] == pytest.approx(2.5 * 64 * found["hours"])
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert found["generator_gradient_bytes"] == 4 * 182_265_671
    assert found["hours_between_failures"] == pytest.approx(54 * 24 * 16384 / 419 / 64)


def test_options_describe_the_machine(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    def hours(*words: str) -> float:
        assert run(str(PAPER), "--precision", "bf16", "--gpus", "64", "--json", *words) == 0
        return float(json.loads(capsys.readouterr().out)[0]["hours"])

    plain = hours()
    assert hours("--network-gbps", "100") > plain
    assert hours("--node-mtbf-hours", "100") > plain
    assert hours("--rate", "60") > plain
    assert hours("--card", "h200") < plain
    assert hours("--gpus-per-node", "4", "--network-gbps", "100") > plain


def test_a_run_gives_its_rate(tmp_path: Path) -> None:
    """Predicted for the run's own size, its step takes as long as it was measured to take."""
    root = with_run(tmp_path / "run", clips_per_second=4)
    found = predict_files([DEMO], [1], ClusterOptions(run=root)).files[0]
    prediction, _ = found.rows[0]
    assert prediction.step == pytest.approx(16 / 4, rel=0.01)
    assert "of the last run here" in found.rate_source


@pytest.mark.parametrize(
    ("machine", "precision", "message"),
    [
        (ClusterOptions(rate=1, run=Path("run")), None, "--rate and --from"),
        (ClusterOptions(run=Path("nowhere")), None, "no measured speed"),
        (ClusterOptions(run=Path("run")), "bf16", "trains in fp32"),
    ],
)
def test_rates_that_cannot_be_used_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: ClusterOptions,
    precision: None,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with_run(tmp_path / "run", clips_per_second=4)
    with pytest.raises(UserError, match=message):
        predict_files([DEMO], [1], machine, precision)


def test_the_picture(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(PAPER), "--precision", "bf16", "--picture", "scaling.svg") == 0
    drawing = (tmp_path / "scaling.svg").read_text(encoding="utf-8")
    assert drawing.startswith("<svg")
    for text in ("launches", "batch norm", "clips/s", "GPUs", "perfect scaling", "256"):
        assert f">{text}<" in drawing
    assert run(str(PAPER), str(DEMO), "--picture", "scaling.svg") == EXIT_USER_ERROR
    assert "one params file" in capsys.readouterr().err


def test_the_page_has_every_preset() -> None:
    presets = {path.stem for path in (ROOT / "presets").glob("*.yaml")}
    assert rows_of(PAGE.read_text(encoding="utf-8")).keys() == presets


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(path, id=path.stem, marks=[] if path in (DEMO, PAPER) else pytest.mark.long)
        for path in sorted((ROOT / "presets").glob("*.yaml"))
    ],
)
def test_the_page_has_the_predictions(preset: Path) -> None:
    """After a change, run `python -m dvdgan.scaling.reference docs/scaling.md`."""
    assert rows_of(PAGE.read_text(encoding="utf-8"))[preset.stem] == table_row(preset)

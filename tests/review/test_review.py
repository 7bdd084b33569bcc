"""Reviews of changes over two commits of a real repository."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from reviewed_project import PIPELINE, Project

from dvdgan.config import load_config
from dvdgan.config.schema import RunSettings
from dvdgan.errors import UserError
from dvdgan.review.gather import Prices, gather
from dvdgan.review.warnings import warnings_of

# 12 x 64 x 64 on an H100 in bf16: clips a second, as benchmarks/results has it.
SPEED = 29.7
MEASURED = {
    "preset": "table1_12x64",
    "batch": 32,
    "clips_per_second": SPEED,
    "precision": "bf16",
    "device": "H100",
}


def warned(project: Project, base: str | None = None) -> str:
    return "\n".join(warnings_of(project.review(base)))


def row(comment: str, title: str) -> list[str]:
    """The cells of the only table row that begins with ``title``."""
    [line] = [line for line in comment.splitlines() if line.startswith(f"| {title}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def number(cell: str) -> float:
    return float(cell.split()[0].replace(",", "").strip("*x"))


def write_run(project: Project, speeds: list[float], conditions: dict[str, Any]) -> None:
    """A run of the params in .runs/train with so many clips a second in each step."""
    params = load_config(project.folder / "params.yaml")
    sections = {"clip": params.clip, "model": params.model, "train": params.train}
    paths = dict.fromkeys(("shards", "features", "reference", "fingerprint"), "")
    run = RunSettings(**sections, **paths, protocol="self_trained")
    project.write(".runs/train/a/settings.json", run.model_dump_json())
    lines = [json.dumps({"step": n, "clips_per_second": each}) for n, each in enumerate(speeds)]
    project.write(".runs/train/a/timing.jsonl", "\n".join(lines))
    state = json.dumps({"conditions": conditions})
    project.write(".runs/train/a/checkpoints/step-00000100/state.json", state)


def test_a_change_that_triples_the_cost_is_warned_of_first(paper: Project) -> None:
    paper.write("benchmarks/results/trainer_steps_h100.json", json.dumps(MEASURED))
    base = paper.commit()
    paper.edit("discriminator_steps: 2", "discriminator_steps: 7")
    paper.commit()
    comment = paper.comment(base, Prices(devices=8, per_hour=2.5))
    first = comment.split("\n\n")[2].splitlines()[0]
    factor = float(re.search(r"costs ([\d.]+)x as much", first)[1])  # type: ignore[index]
    # One update of D is a forward of G and six of D, one of G three of G and two of D.
    g, d = 404, 117 + 44.7  # docs/model.md
    costs = {updates: updates * (g + 6 * d) + 3 * g + 2 * d for updates in (2, 7)}
    assert factor == pytest.approx(costs[7] / costs[2], 0.01)
    assert factor > 2.5
    hours = 300_000 * 512 / SPEED / 3600
    before, now, _ = (number(cell) for cell in row(comment, "time to train"))
    assert before == pytest.approx(hours / 8, 0.01)
    assert now == pytest.approx(hours / 8 * factor, 0.01)
    assert row(comment, "price at 2.5")[0] == f"{hours * 2.5:,.2f}"
    assert row(comment, "`train.discriminator_steps`")[:3] == ["`2`", "`7`", "`2`"]


def test_the_speed_is_that_of_the_last_run(demo: Project) -> None:
    benchmark = MEASURED | {"preset": "table1_12x64"}  # a model of another size: not used
    demo.write("benchmarks/results/trainer_steps_h100.json", json.dumps(benchmark))
    base = demo.commit()
    demo.edit("steps: 600\n", "steps: 1200\n")
    assert "No time:" in demo.comment(base)
    # The first steps, and one that is no rule.
    write_run(demo, [0.1, 0.1, 0.1, 7, 8, 1000], {"processes": 1, "device": "cpu"})
    assert "| clips/s | 8 |" in demo.comment(base), "among what stays equal"
    assert row(demo.comment(base), "time to train")[1] == f"{1200 * 16 / 8 / 60:.1f} min"


def test_hours_at_the_speed_of_another_precision_are_named(paper: Project) -> None:
    paper.write("benchmarks/results/trainer_steps_h100.json", json.dumps(MEASURED))
    base = paper.commit()
    paper.edit("discriminator_steps: 2", "discriminator_steps: 3")
    comment = paper.comment(base, Prices(per_hour=2.5))
    for title in ("time to train", "price at 2.5 for an hour of a device", "clips/s"):
        assert row(comment, f"{title}, at the speed of bf16")
    assert "this trains in fp32, whose speed was not measured" in comment
    paper.edit("precision: fp32", "precision: bf16")
    own = paper.commit()
    paper.edit("discriminator_steps: 3", "discriminator_steps: 4")
    comment = paper.comment(own)
    assert row(comment, "time to train |") and "at the speed of" not in comment


def test_a_changed_protocol_makes_metrics_incomparable(demo: Project) -> None:
    base = demo.commit()
    demo.edit("- self_trained", "- self_supervised")
    demo.commit()
    assert "**The protocol changed** from `self_trained` to `self_supervised`" in warned(demo, base)
    assert [each.stage for each in demo.review(base).stages] == ["train", "evaluate"]


def test_a_batch_that_is_no_longer_the_papers(paper: Project) -> None:
    paper.edit("batch_size: 512", "batch_size: 256")
    found = warned(paper)
    assert "**The batch is no longer the paper's** 512 but 256" in found
    assert "**No longer `presets/table1_12x64.yaml`** in `train.batch_size`" in found
    comment = paper.comment()
    assert "Nearest preset: `presets/table1_12x64.yaml`, but for `train.batch_size`." in comment
    assert "FID 0.91" in comment
    paper.commit()
    paper.edit("batch_size: 256", "batch_size: 512")
    assert "batch" not in warned(paper)
    assert "Equal to `presets/table1_12x64.yaml`." in paper.comment()


def test_a_preset_that_is_renamed_changed_added_or_removed(demo: Project) -> None:
    base = demo.commit()
    demo.run("git", "mv", "presets/demo.yaml", "presets/tiny.yaml")
    demo.run("git", "rm", "--quiet", "presets/table1_12x64.yaml")
    demo.edit("batch_size: 512", "batch_size: 256", "presets/table1_12x128.yaml")
    demo.run("git", "mv", "presets/fig7_k1.yaml", "presets/fig7_one.yaml")
    demo.edit("spatial_frames: 1\n", "spatial_frames: 3\n", "presets/fig7_one.yaml")
    shutil.copy(demo.folder / "presets/small_csv.yaml", demo.folder / "presets/other.yaml")
    demo.commit()
    shown = demo.comment(base).partition("### Presets\n\n")[2].partition("\n\n")[0]
    assert sorted(shown.splitlines()) == [
        "- `presets/demo.yaml` is now called `presets/tiny.yaml`",
        "- `presets/fig7_k1.yaml` is now called `presets/fig7_one.yaml` and has other values of "
        "`model.spatial_frames`",
        "- `presets/other.yaml` is new",
        "- `presets/table1_12x128.yaml` has other values of `train.batch_size`",
        "- `presets/table1_12x64.yaml` is gone",
    ]
    assert "Nothing changed" not in demo.comment(base)
    demo.edit("max_classes: 12", "max_classes: 8")
    assert "Before: equal to `presets/demo.yaml`." in demo.comment(base)
    assert "**No longer" not in demo.comment(base), "no preset of the paper"


def test_a_runner_has_neither_data_nor_artefacts(demo: Project) -> None:
    demo.repro()
    base = demo.commit()
    for name in ("artifacts", "data"):
        shutil.rmtree(demo.folder / name)
    demo.edit("test_fraction: 0.25", "test_fraction: 0.5")
    assert "`index` (`index.test_fraction`)" in warned(demo, base)
    shutil.rmtree(demo.folder / ".dvc/cache")
    assert "`index` (`index.test_fraction`)" in warned(demo, base)


def test_disk_is_that_of_dvc_lock(demo: Project) -> None:
    shard = """
  shard:
    cmd: cp -r artifacts/index artifacts/shards
    params: [shard]
    deps: [artifacts/index]
    outs: [artifacts/shards]
"""
    demo.write("dvc.yaml", PIPELINE + shard)
    demo.write("data/synthetic", "x" * 2048)
    demo.repro()
    base = demo.commit()
    demo.edit("  short_side: 32\n", "  short_side: 64\n")
    title = "disk: shards"
    assert row(demo.comment(base), title) == ["2.00 KiB", "8.00 KiB", "**4.00x**"]
    demo.edit("quality: 95", "quality: 90")
    assert row(demo.comment(base), title) == ["2.00 KiB", "not known yet", ""]
    demo.repro()
    assert "| disk: shards | 2.00 KiB |" in demo.comment(base), "among what stays equal"


@pytest.mark.parametrize(("processes", "clips"), [(1, 8), (2, 4)])
def test_a_measured_speed_is_that_of_each_device(
    demo: Project, processes: int, clips: float
) -> None:
    base = demo.commit()
    demo.edit("steps: 600\n", "steps: 800\n")
    write_run(demo, [8] * 4, {"processes": processes, "device": "cuda"})
    comment = demo.comment(base)
    assert row(comment, "time to train")[1] == f"{800 * 16 / clips / 60:.1f} min"
    assert f"median of 1 steps, {processes} x cuda, fp32)" in comment
    assert "Its folder takes" in comment and "with 1 checkpoints." in comment


def test_a_lock_that_does_not_match_its_params(demo: Project) -> None:
    demo.repro()
    base = demo.commit()
    assert demo.comment(base).splitlines()[4] == "Nothing changed."
    demo.edit("steps: 600\n", "steps: 610\n")
    demo.commit()
    assert "**dvc.lock does not match params.yaml** or the code: `train` (`train.steps`)" in warned(
        demo, base
    )
    demo.repro()
    assert "dvc.lock" not in warned(demo, base)
    comment = demo.comment(base)
    assert "**2 of 3 run again**, directly: `train`" in comment
    assert "dvc.lock has their results: they have been run." in comment
    assert "Unchanged, from the cache: `index`." in comment


def test_changed_videos_and_code_are_seen_in_dvc_lock(demo: Project) -> None:
    demo.repro()
    base = demo.commit()
    demo.write("data/synthetic", "other videos")
    numerics = json.loads((demo.folder / "dvdgan/numerics.json").read_text("utf-8"))
    numerics["stages"]["train"] = "0" * 16
    demo.write("dvdgan/numerics.json", json.dumps(numerics))
    assert "`train` (`code`)" in warned(demo, base)
    demo.repro()
    review = demo.review(base)
    assert review.data == ["data/synthetic"]
    assert {each.stage: each.reasons for each in review.stages} == {
        "index": ["data/synthetic"],
        "train": ["code"],
        "evaluate": [],
    }
    assert "**The data changed** (`data/synthetic`)" in "\n".join(warnings_of(review))


def test_params_that_are_refused_are_shown_with_the_reason(demo: Project) -> None:
    demo.edit("batch_size: 16\n  accumulation", "batch_size: eight\n  accumulation")
    comment = demo.comment()
    assert comment.split("\n\n")[2].startswith("- :warning: **`dvdgan check` refuses params.yaml**")
    assert "train.batch_size" in comment.partition("</details>")[0]


def test_values_cannot_break_the_table(demo: Project) -> None:
    demo.edit("root: data/synthetic", 'root: "a|b\\n<!-- -->```"')
    shown = row(demo.comment(), "`index.root`")
    assert "a\\" in shown[1]


def test_metrics_come_from_dvc_at_the_base(demo: Project) -> None:
    protocol = {"protocol": "self_trained", "clips": 256}

    def results(value: float) -> str:
        fvd = {"value": value, "interval": [value - 0.1, value + 0.1], "protocol": protocol}
        return json.dumps({"generated": {"FVD[self_trained,256,5e6f7a8b]": fvd}})

    demo.write("results", results(2))
    demo.repro()
    base = demo.commit()
    demo.write("results", results(1))
    demo.repro()
    assert row(demo.comment(base), "FVD") == ["2 ± 0.1", "1 ± 0.1", "-1", "better"]


def test_results_in_a_remote_that_wants_credentials_are_no_traceback(
    demo: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.write("results", '{"generated": {}}')
    config = (demo.folder / ".dvc/config").read_text("utf-8")
    config = config.replace("[core]\n", "[core]\n    remote = far\n")
    demo.write(".dvc/config", f"{config}['remote \"far\"']\n    url = s3://a/b\n")
    demo.repro()
    base = demo.commit()
    shutil.rmtree(demo.folder / ".dvc/cache")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(demo.folder / "none"))
    monkeypatch.delenv("AWS_CONFIG_FILE", raising=False)
    demo.write("results", '{"generated": {"FVD": {"value": 1}}}')
    demo.repro()
    assert "No results of the base: NoCredentialsError" in demo.comment(base)


def test_results_in_the_run_cache_are_named(demo: Project) -> None:
    demo.repro()
    demo.edit("steps: 600\n", "steps: 610\n")
    demo.repro()
    base = demo.commit()
    demo.edit("steps: 610\n", "steps: 600\n")
    assert demo.review(base).restorable == ["train"]
    assert "`dvc repro` restores them without running" in warned(demo, base)
    demo.edit("steps: 600\n", "steps: 590\n")
    assert demo.review(base).restorable == []


def test_the_base_is_where_a_branch_left_main(demo: Project) -> None:
    fork = demo.commit()
    demo.run("git", "switch", "--quiet", "--create", "change")
    demo.edit("steps: 600\n", "steps: 610\n")
    demo.commit()
    demo.commit()
    assert demo.review().base == fork
    demo.run("git", "switch", "--quiet", "main")
    demo.commit()
    assert demo.review().base == fork, "the last commit but one"
    demo.edit("steps: 600\n", "steps: 620\n")
    assert demo.review().base != fork, "HEAD: there are edits"
    with pytest.raises(UserError, match="there is no commit nowhere"):
        demo.review("nowhere")


def test_a_folder_without_a_pipeline_is_named(tmp_path: Path) -> None:
    project = Project(tmp_path, "demo")
    (tmp_path / ".dvc/config").unlink()
    (tmp_path / ".dvc").rmdir()
    with pytest.raises(UserError, match="not part of a DVC project"):
        project.review("HEAD")


def test_a_folder_without_git_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="not under git"):
        gather(tmp_path, None, Prices())

"""`dvc repro`: everything runs, what is up to date does not, edits rerun what they touch."""

import hashlib
import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from planted_secrets import found_below
from work_tree import edit, run_fork

from dvdgan.reporting.scores import metrics_by_name

Copy = Callable[[Path, str], Path]

pytestmark = pytest.mark.timeout(1500)  # the first test makes the work trees


def stages_run(output: str) -> list[str]:
    """The stages DVC says it ran."""
    lines = output.splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


def test_everything_is_made(finished: Path) -> None:
    metrics = json.loads((finished / "artifacts/evaluate/results.json").read_text())
    generated = metrics_by_name(metrics["generated"])
    assert generated.keys() == {
        *("FID", "FVD", "IS", "accuracy"),
        *("FVD_frames", "KVD", "precision", "recall", "density", "coverage"),
    }
    for metric in generated.values():
        assert metric["protocol"]["weights_sha256"][:8] in metric["name"]
        assert metric["interval"][0] <= metric["value"] <= metric["interval"][1]
    page = (finished / "artifacts/report/index.html").read_text()
    assert "клас 日本 é" in page
    assert "<video" in page and 'src="http' not in page
    assert (finished / "artifacts/monitor/report.html").stat().st_size > 100_000
    assert (finished / "artifacts/model/generator.safetensors").is_file()


def test_nothing_is_left_running(finished: Path) -> None:
    inside = [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(finished)]
    assert inside == []
    assert not (finished / ".prefect").exists()


def test_no_file_holds_a_credential(finished: Path) -> None:
    """Not dvc.lock, .dvc, a log, an artefact, a checkpoint or the report."""
    assert found_below(finished) == {}


def test_a_second_run_does_nothing(finished: Path, copied: Copy) -> None:
    tree = copied(finished, "second")
    lock = (tree / "dvc.lock").read_bytes()
    again = run_fork(tree, "dvc", "repro")
    assert again.returncode == 0, again.stdout
    assert stages_run(again.stdout) == []
    assert run_fork(tree, "dvc", "status", "--quiet").returncode == 0
    assert (tree / "dvc.lock").read_bytes() == lock


def damaged(cache: Path) -> list[str]:
    """The objects of DVC's cache whose bytes are not those of their name."""
    objects = [path for path in (cache / "files/md5").rglob("*") if path.is_file()]
    assert len(objects) > 30
    return [
        path.name
        for path in objects
        if hashlib.md5(path.read_bytes()).hexdigest()
        != path.parent.name + path.name.removesuffix(".dir")
    ]


def test_the_cache_is_whole_and_outputs_are_links_to_it(finished: Path) -> None:
    """After three stopped trainings, whose checkpoints are linked, too."""
    assert damaged(finished / ".dvc/cache") == []
    for name in ("train/checkpoint/average.safetensors", "report/index.html"):
        status = (finished / "artifacts" / name).stat()
        assert status.st_nlink >= 2 and stat.filemode(status.st_mode) == "-r--r--r--", name


@pytest.mark.long
def test_stages_replace_linked_outputs_without_a_change_of_the_cache(
    finished: Path, copied: Copy
) -> None:
    tree = copied(finished, "links")  # a copy has no links
    assert run_fork(tree, "dvc", "checkout", "--relink").returncode == 0
    page = tree / "artifacts/report/index.html"
    linked = page.stat()
    assert linked.st_nlink == 2 and stat.filemode(linked.st_mode) == "-r--r--r--"
    by_hand = run_fork(tree, "dvdgan", "report")
    assert by_hand.returncode == 0, by_hand.stdout
    assert page.stat().st_ino != linked.st_ino and page.stat().st_nlink == 1
    edit(tree, "samples_per_class", 1)
    again = run_fork(tree, "dvc", "repro")
    assert stages_run(again.stdout) == ["report"], again.stdout
    assert page.stat().st_nlink == 2
    shutil.rmtree(tree / "artifacts")
    assert run_fork(tree, "dvc", "checkout").returncode == 0
    assert run_fork(tree, "dvc", "status", "--quiet").returncode == 0
    assert damaged(tree / ".dvc/cache") == []


def test_a_misspelt_key_is_refused_before_any_work(finished: Path, copied: Copy) -> None:
    tree = copied(finished, "misspelt")
    text = (tree / "params.yaml").read_text()
    (tree / "params.yaml").write_text(text.replace("ema_decay:", "ema_decya:"))
    refused = run_fork(tree, "dvc", "repro")
    assert refused.returncode != 0
    assert "train.ema_decya is not a parameter; did you mean ema_decay?" in refused.stdout
    assert "train.ema_decay is missing" in refused.stdout
    assert (tree / "artifacts/evaluate/results.json").is_file()
    alone = run_fork(tree, "dvdgan", "train")
    assert alone.returncode == 2


def test_an_impossible_crop_is_refused_in_words(finished: Path, copied: Copy) -> None:
    tree = copied(finished, "crop")
    edit(tree, "resolution", 64)
    refused = run_fork(tree, "dvc", "repro")
    assert refused.returncode != 0
    assert "no 64 x 64 crop fits; set shard.short_side >= 64" in refused.stdout


def test_a_learning_rate_reruns_training_and_what_follows(finished: Path, copied: Copy) -> None:
    tree = copied(finished, "rate")
    edit(tree, "generator_learning_rate", 0.0002)
    dry = run_fork(tree, "dvc", "repro", "--dry")
    assert stages_run(dry.stdout)[0] == "train"
    assert "shard" not in stages_run(dry.stdout)
    assert "reference" not in stages_run(dry.stdout)


def test_report_params_rerun_the_report_alone(finished: Path, copied: Copy) -> None:
    tree = copied(finished, "report")
    edit(tree, "samples_per_class", 1)
    dry = run_fork(tree, "dvc", "repro", "--dry")
    assert dry.returncode == 0, dry.stdout
    assert stages_run(dry.stdout) == ["report"]


@pytest.mark.long
def test_going_back_to_old_params_is_a_cache_hit(finished: Path, copied: Copy) -> None:
    tree = copied(finished, "back")
    lock, params = (tree / "dvc.lock").read_bytes(), (tree / "params.yaml").read_text()
    edit(tree, "components", 3)
    assert run_fork(tree, "dvc", "repro").returncode == 0
    assert (tree / "dvc.lock").read_bytes() != lock
    (tree / "params.yaml").write_text(params)
    back = run_fork(tree, "dvc", "repro")
    assert back.returncode == 0, back.stdout
    assert "Stage 'monitor' is cached" in back.stdout
    assert (tree / "dvc.lock").read_bytes() == lock


def test_a_new_video_is_noticed(finished: Path, copied: Copy) -> None:
    tree = copied(finished, "new")
    videos = sorted((tree / "data/synthetic/square_down").iterdir())
    shutil.copy(videos[0], videos[0].with_name("another.mp4"))
    assert stages_run(run_fork(tree, "dvc", "repro", "index").stdout) == ["index"]
    dry = run_fork(tree, "dvc", "repro", "--dry", "shard")
    assert dry.returncode == 0, dry.stdout
    assert stages_run(dry.stdout) == ["shard"]

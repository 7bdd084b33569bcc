"""`dvdgan index` as a stage of DVC, which compares the raw data: a folder, or a listing of it."""

import os
import shutil
import socket
from pathlib import Path

import pytest
from raw_repository import (
    REPOSITORY,
    changed,
    copy_of,
    dvc,
    dvdgan,
    list_videos,
    make_repository,
    repro,
    stages_run,
)

from dvdgan.config.load import load_config
from dvdgan.data import inspection
from dvdgan.data.raw_root import open_root
from dvdgan.errors import EXIT_USER_ERROR, UserError
from dvdgan.stages import index
from dvdgan.storage.local import read_json


def add_awkward_entries(root: Path) -> None:
    """All that DVC cannot hash: pipe, socket, foreign bytes, links to nowhere and to themselves."""
    folder = root / "circle_right"
    os.mkfifo(folder / "pipe.mp4")
    # A short relative name: the path of a socket may have only 107 bytes.
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)
        listener.bind("sock.mp4")
        os.chdir(here)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.mp4")).write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(root) + b"/\xfe")).mkdir()
    (folder / "dangling.mp4").symlink_to("nowhere.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")


def test_a_folder_is_a_version_in_dvc_lock(tmp_path: Path, reproduced: Path) -> None:
    repository = copy_of(reproduced, tmp_path / "repository")
    assert changed(repository) == set()
    assert dvc(repository, "status", "--quiet").returncode == 0
    lock = (repository / "dvc.lock").read_bytes()
    assert "path: videos\n" in lock.decode()
    assert stages_run(repro(repository)) == []

    video = repository / "videos/circle_right/000.mp4"
    data = video.read_bytes()
    new = video.with_name("new.mp4")
    shutil.copy(video, new)
    assert changed(repository) == {"videos"}
    new.unlink()
    assert changed(repository) == set()
    video.write_bytes((video.parent / "001.mp4").read_bytes())
    assert changed(repository) == {"videos"}
    shutil.copy(video.parent / "002.mp4", new)
    output = repro(repository)
    assert "2 probed" in output and "13 videos in" in output
    assert stages_run(output) == ["index", "shard"]
    assert changed(repository) == set()
    video.write_bytes(data)
    new.unlink()
    assert changed(repository) == {"videos"}
    assert "Stage 'shard' is cached" in repro(repository)
    assert (repository / "dvc.lock").read_bytes() == lock


def test_a_touched_video_reruns_nothing(tmp_path: Path, reproduced: Path) -> None:
    repository = copy_of(reproduced, tmp_path / "repository")
    os.utime(repository / "videos/circle_right/000.mp4", ns=(1, 1))
    assert changed(repository) == set()
    list_videos(repository, "--root", "videos")
    output = repro(repository)
    assert "1 recognised by their bytes" in output
    assert stages_run(output) == ["index"]  # the same videos, named in another way
    os.utime(repository / "videos/circle_right/000.mp4", ns=(2, 2))
    assert "0 added, 1 changed, 0 removed" in list_videos(repository)
    output = repro(repository)
    assert "1 recognised by their bytes" in output
    assert stages_run(output) == ["index"]


def test_a_listing_leads_dvc_past_all_that_stops_it(tmp_path: Path, reproduced: Path) -> None:
    repository = copy_of(reproduced, tmp_path / "repository")
    add_awkward_entries(repository / "videos")
    refused = dvdgan(repository, "check")
    assert refused.returncode == EXIT_USER_ERROR
    assert "DVC cannot hash circle_right/dangling.mp4 (unreadable)" in refused.stdout
    assert "dvdgan listing FILE --root videos" in refused.stdout
    assert "below videos, 8 unusable entries" in list_videos(repository, "--root", "videos")
    assert dvdgan(repository, "check").returncode == 0
    assert "12 videos in 4 classes (8 train, 4 test), 8 refused" in repro(repository)
    assert changed(repository) == set()
    lock = (repository / "dvc.lock").read_bytes()
    assert "0 added, 0 changed, 0 removed" in list_videos(repository)
    assert changed(repository) == set()
    assert stages_run(repro(repository)) == []

    (repository / "videos/circle_right/000.mp4").unlink()
    assert "0 added, 0 changed, 1 removed" in list_videos(repository)
    assert changed(repository) == {"videos.listing"}
    assert "11 videos" in repro(repository)
    assert (repository / "dvc.lock").read_bytes() != lock
    assert changed(repository) == set()


@pytest.mark.long
def test_hostile_files_pass_through_dvc(
    tmp_path: Path, synthetic_videos: Path, hostile_files: Path
) -> None:
    repository = make_repository(tmp_path, synthetic_videos)
    add_awkward_entries(repository / "videos")
    shutil.copytree(hostile_files, repository / "videos/hostile", symlinks=True)
    list_videos(repository, "--root", "videos")
    repro(repository)
    summary = read_json(repository / "artifacts/index/summary.json")
    assert summary["classes"]["hostile"]["train"] > 30
    assert summary["refused"]["unreadable"] == 6
    assert changed(repository) == set()


def test_what_is_no_listing_is_named(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text("path,label\n")
    with pytest.raises(UserError, match="is a file, but not a listing of videos"):
        open_root(str(tmp_path / "videos.csv"))


def test_other_limits_have_outcomes_of_their_own(
    tmp_path: Path,
    synthetic_videos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(REPOSITORY / "presets" / "demo.yaml")
    params = config.index.model_copy(update={"root": str(synthetic_videos)})
    config = config.model_copy(update={"index": params})
    longer = config.model_copy(update={"clip": config.clip.model_copy(update={"frames": 10})})
    index.run(config, workers=2)
    index.run(longer, workers=2)
    assert capsys.readouterr().out.count("12 probed") == 2

    monkeypatch.delattr(inspection, "run_isolated")
    index.run(config, workers=2)
    index.run(longer, workers=2)
    line = f"index: {synthetic_videos}: 12 videos in 4 classes (8 train, 4 test), 0 refused"
    assert capsys.readouterr().out.count(line) == 2

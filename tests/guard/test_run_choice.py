"""Which run `dvdgan train` works on, when there are runs of other params, data or code."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.earlier_runs import backed_up_runs, local_runs
from dvdgan.guard.origin import RunOrigin
from dvdgan.guard.remote_backup import RemoteBackup
from dvdgan.guard.run_choice import RunChoice, RunRequest, choose
from dvdgan.guard.run_folder import RunFolder, write_manifest
from dvdgan.machine import Machine
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.local import write_json

CODE = {"models/leak.py": "def leak(x):\n    return x * 0.2\n"}
OTHER_CODE = {"models/leak.py": "def leak(x):\n    return x * 0.3\n"}
PARAMS = {"clip": {"frames": 4}, "model": {}, "train": {"steps": 8, "batch_size": 4}}
NOW = RunOrigin(
    {"clip.frames": 4, "train.steps": 8, "train.batch_size": 4}, {"index.json": "ab"}, CODE
)
JUDGED = {"event": "evaluated", "step": 8, "verdict": "healthy", "metrics": {"FVD": 1.0}}


def a_run(
    runs: Path,
    name: str,
    origin: RunOrigin | None = NOW,
    step: int = 4,
    params: dict[str, Any] = PARAMS,
    events: tuple[dict[str, Any], ...] = (),
) -> RunFolder:
    """A run folder; ``origin`` None: made by a version that wrote no provenance.json."""
    run = RunFolder(runs / name)
    run.checkpoint(step or 1).mkdir(parents=True)
    if step:
        write_json(run.checkpoint(step) / "state.json", {})
        write_manifest(run.checkpoint(step))
    write_json(run.settings, {**params, "fingerprint": name})
    if origin is not None:
        origin.write(run.provenance)
    for event in events:
        ledger.append(run.ledger, event)
    return run


def chosen(runs: Path, now: RunOrigin = NOW, **request: Any) -> RunChoice:
    return choose(now, local_runs(runs), RunRequest(**request), runs, "fresh")


def refused(runs: Path, now: RunOrigin = NOW, **request: Any) -> str:
    with pytest.raises(UserError) as error:
        chosen(runs, now, **request)
    return str(error.value)


def test_the_first_run_is_begun_without_a_line(tmp_path: Path) -> None:
    assert chosen(tmp_path) == RunChoice("fresh", NOW, [])


def test_the_same_origin_goes_on_whatever_else_is_there(tmp_path: Path) -> None:
    a_run(tmp_path, "mine")
    a_run(tmp_path, "other", replace(NOW, code=OTHER_CODE), step=6)
    choice = chosen(tmp_path)
    assert (choice.name, choice.origin, list(choice.lines)) == ("mine", NOW, [])
    assert "these params, data and code" in refused(tmp_path, new_run=True)


def test_a_comment_does_not_orphan_a_run(tmp_path: Path) -> None:
    a_run(tmp_path, "mine")
    commented = {file: f'"""Leaky."""\n{text}# by 0.2\n' for file, text in CODE.items()}
    assert chosen(tmp_path, replace(NOW, code=commented)).name == "mine"


def test_other_code_stops_with_the_difference_and_the_ways_on(tmp_path: Path) -> None:
    run = a_run(tmp_path, "mine")
    message = refused(tmp_path, replace(NOW, code=OTHER_CODE))
    assert "models/leak.py (leak)" in message
    assert "-    return x * 0.2" in message and "+    return x * 0.3" in message
    assert f"{run.root} (step 4 of 8)" in message
    assert "dvdgan train --continue-run mine" in message and "dvdgan train --new-run" in message
    assert "return x * 0.3" in (tmp_path / "mine.diff").read_text()


def test_a_long_difference_is_cut_and_kept_whole(tmp_path: Path) -> None:
    a_run(tmp_path, "mine")
    many = {"models/leak.py": "".join(f"x{n} = {n}\n" for n in range(300))}
    message = refused(tmp_path, replace(NOW, code=many))
    assert len(message.splitlines()) < 60
    assert len((tmp_path / "mine.diff").read_text().splitlines()) > 300


def test_continued_on_request_it_is_the_run_of_the_new_code(tmp_path: Path) -> None:
    run, changed = a_run(tmp_path, "mine"), replace(NOW, code=OTHER_CODE)
    choice = chosen(tmp_path, changed, continue_run="mine")
    assert choice.name == "mine"
    assert "step 4 of 8) is continued with the current code" in choice.lines[0]
    [entry] = choice.origin.continued
    assert (entry["step"], entry["files"]) == (4, ["models/leak.py (leak)"])
    assert "+    return x * 0.3" in entry["diff"]
    choice.origin.write(run.provenance)
    assert chosen(tmp_path, changed).name == "mine"  # remembered: without the request
    assert len(chosen(tmp_path, changed, continue_run="mine").origin.continued) == 1
    assert "--continue-run mine" in refused(tmp_path)  # by the code of before
    # A new run of the code of before does not take the folder that has its name.
    again = choose(NOW, local_runs(tmp_path), RunRequest(new_run=True), tmp_path, "mine")
    assert again.name == "mine-2"


def test_a_new_run_on_request_leaves_the_other_one_alone(tmp_path: Path) -> None:
    a_run(tmp_path, "mine")
    changed = replace(NOW, code=OTHER_CODE)
    choice = chosen(tmp_path, changed, new_run=True)
    assert (choice.name, choice.origin) == ("fresh", changed)
    a_run(tmp_path, "fresh", changed, step=0)
    assert chosen(tmp_path, changed).name == "fresh"
    assert chosen(tmp_path).name == "mine"
    # Of two runs of this code the one that was continued by hand goes on.
    chosen(tmp_path, changed, continue_run="mine").origin.write(
        RunFolder(tmp_path / "mine").provenance
    )
    assert chosen(tmp_path, changed).name == "mine"


@pytest.mark.parametrize(
    "events", [(JUDGED,), ({"event": "ended_early", "step": 4, "reasons": []},)]
)
def test_a_finished_run_is_in_nobodys_way(
    tmp_path: Path, events: tuple[dict[str, Any], ...]
) -> None:
    a_run(tmp_path, "mine", step=8, events=events)
    choice = chosen(tmp_path, replace(NOW, code=OTHER_CODE))
    assert choice.name == "fresh"
    assert choice.lines == [
        f"train: new run {tmp_path}/fresh; unlike {tmp_path}/mine (step 8 of 8, ended): "
        "code: models/leak.py (leak)"
    ]


def test_neither_is_one_without_a_checkpoint(tmp_path: Path) -> None:
    a_run(tmp_path, "mine", step=0)
    assert chosen(tmp_path, replace(NOW, code=OTHER_CODE)).name == "fresh"


def test_a_changed_parameter_begins_a_run_and_is_named(tmp_path: Path) -> None:
    a_run(tmp_path, "far", params=PARAMS | {"clip": {"frames": 8}}, origin=NOW)
    a_run(tmp_path, "near")
    changed = replace(NOW, params=NOW.params | {"train.batch_size": 8})
    [line] = chosen(tmp_path, changed).lines
    assert "unlike " in line and f"{tmp_path}/near (step 4 of 8): train.batch_size: 4 -> 8" in line
    message = refused(tmp_path, changed, continue_run="near")
    assert "train.batch_size: 4 -> 8" in message


def test_changed_data_begin_a_run_and_are_named(tmp_path: Path) -> None:
    a_run(tmp_path, "mine")
    [line] = chosen(tmp_path, replace(NOW, data={"index.json": "cd"})).lines
    assert "data: index.json" in line


def test_an_earlier_versions_run_is_named_and_continued_on_request(tmp_path: Path) -> None:
    """It kept no record of code and data, and a key of today's was not there yet."""
    run = a_run(tmp_path, "old", origin=None, params=PARAMS | {"train": {"steps": 8}})
    message = refused(tmp_path)
    assert "an earlier version of dvdgan kept no record" in message
    assert "the key train.batch_size of params.yaml" in message
    assert "--continue-run old" in message
    choice = chosen(tmp_path, continue_run="old")
    assert (choice.name, choice.origin.code) == ("old", CODE)
    choice.origin.write(run.provenance)
    write_json(run.settings, PARAMS)
    assert chosen(tmp_path).name == "old"


def test_an_earlier_versions_run_of_other_params_is_named_in_a_line(tmp_path: Path) -> None:
    a_run(tmp_path, "old", origin=None, params=PARAMS | {"clip": {"frames": 8}})
    [line] = chosen(tmp_path).lines
    assert "clip.frames: 8 -> 4" in line and "kept no record" in line


def test_requests_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    a_run(tmp_path, "mine")
    message = refused(tmp_path, continue_run="yours")
    assert "run yours does not exist; existing runs:" in message and "mine (step 4 of 8)" in message
    assert "cannot be combined" in refused(tmp_path, continue_run="mine", new_run=True)


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    run = a_run(tmp_path, "mine")
    run.provenance.write_text(json.dumps([]))
    with pytest.raises(UserError, match="mine was not written by dvdgan"):
        local_runs(tmp_path)


def test_on_a_new_machine_the_backup_names_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Continued by other code, it has another name than this code's own run would have."""
    run = a_run(tmp_path / "runs", "mine", replace(NOW, code=OTHER_CODE))
    store = tmp_path / "store"
    machine = Machine.load(variables={})
    RemoteBackup(run, FolderStore(store / "mine"), machine).sync()
    (store / "broken").mkdir()
    (store / "broken" / "settings.json").write_text("[")
    [there] = backed_up_runs(str(store))
    assert (there.name, there.step, there.finished) == ("mine", 4, False)
    assert there.origin == local_runs(tmp_path / "runs")[0].origin
    assert "broken is not considered" in capsys.readouterr().err
    with pytest.raises(UserError, match="started by other code"):
        choose(NOW, [there], RunRequest(), tmp_path, "fresh")
    assert choose(there.origin, [there], RunRequest(), tmp_path, "fresh").name == "mine"
    assert backed_up_runs(str(tmp_path / "nothing")) == []

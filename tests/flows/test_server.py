"""Deployments, events, notifications and artifacts on a real server, SQLite's and PostgreSQL's."""

import json
import math
import runpy
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from planted_secrets import PASSWORD, VARIABLES, found_in
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect_server import PROJECT, Server, free_port, postgresql, wait_until

from dvdgan.config import fingerprint, load_config
from flows import artifacts, events
from flows.evaluate import evaluate
from flows.pipeline import pipeline

pytestmark = pytest.mark.timeout(3000)

# A pipeline whose training only says when it begins and ends, and whether it was alone.
PIPELINE = """
stages:
  train:
    cmd: >-
      mkdir {alone} || echo together >> {log};
      echo begin >> {log}; sleep 5; echo end >> {log}; rmdir {alone}
    always_changed: true
"""

TWO_STAGES = """
stages:
  one:
    cmd: echo 1 > one
    outs: [one]
  two:
    cmd: echo 2 > two
    deps: [one]
    outs: [two]
"""


@pytest.fixture(
    scope="module", params=["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.long)]
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with the deployments of prefect.yaml; PostgreSQL's was restarted since."""
    with ExitStack() as stack:
        if request.param == "PostgreSQL":
            database = stack.enter_context(postgresql())
            server = Server(tmp_path_factory.mktemp("server"), database)
            stack.callback(server.stop)
            server.start()
        else:
            server = request.getfixturevalue("mortal")
        tree = toy_tree(server.folder / "tree")
        # infra/local/prefect.sh does it by commands, of four seconds of a core each.
        server.post("work_pools/", {"name": "dvdgan", "type": "process"})
        server.run("prefect", "--no-prompt", "deploy", "--all", DVDGAN_FOLDER=str(tree))
        server.call("PATCH", "work_pools/dvdgan/queues/trainer", {"concurrency_limit": 1})
        if request.param == "PostgreSQL":
            server.stop()
            server.start()
        with server.is_ours():
            yield server


def toy_tree(folder: Path) -> Path:
    for name in ("dvdgan", "flows"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, folder / name, ignore=skipped)
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    paths = {"alone": folder / "alone", "log": folder / "log"}
    (folder / "dvc.yaml").write_text(PIPELINE.format(**paths))
    shutil.copyfile(PROJECT / "presets/demo.yaml", folder / "params.yaml")
    (folder / "log").touch()
    return folder


def emit_until(
    condition: Callable[[], object], kind: events.Kind, run: str, payload: dict[str, Any]
) -> list[int]:
    """Emit the event of step 0, 1, ... until ``condition()`` is true; the steps emitted.

    The server puts a changed automation into effect some time after it has answered the change,
    and an event that arrives earlier starts nothing.
    """
    steps: list[int] = []
    last_emitted = -math.inf

    def is_answered() -> bool:
        nonlocal last_emitted
        if condition():
            return True
        if time.monotonic() > last_emitted + 10:
            events.emit(kind, run, len(steps), payload)
            steps.append(len(steps))
            last_emitted = time.monotonic()
        return False

    wait_until(is_answered)
    return steps


def flow_runs(server: Server, flow: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.post(
        "flow_runs/filter", {"flows": {"name": {"any_": [flow]}}}
    )
    return found


def test_the_form_explains_every_parameter(server: Server) -> None:
    deployments = server.post("deployments/filter", {})
    names = {each["name"] for each in deployments}
    assert names == {"pipeline", "preprocess", "best", "retrain"}
    for each in deployments:
        for name, parameter in each["parameter_openapi_schema"]["properties"].items():
            where = f"{each['name']}: {name}"
            assert parameter.get("description"), where
            assert parameter.get("type") in ("boolean", "integer", "number", "string"), where
            assert "default" in parameter, where


def test_no_parameter_log_or_state_holds_a_credential(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = toy_tree(tmp_path / "tree")
    url = f"s3+http://user:{PASSWORD}@store/x?X-Amz-Signature={PASSWORD}"
    printed = TWO_STAGES.replace("echo 1 >", f"echo 'from {url}'; echo 1 >")
    (tree / "dvc.yaml").write_text(printed.replace("echo 2", f"echo '{url}'; exit 3; echo 2"))
    for name, value in (VARIABLES | {"PATH": server.environment["PATH"]}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError) as raised:
        pipeline(str(tree))
    assert PASSWORD not in str(raised.value)
    kinds = ("flow_runs", "task_runs", "artifacts", "events", "deployments", "variables", "logs")

    def told() -> str:
        answers = [server.post(f"{kind}/filter", {}) for kind in kinds]
        return json.dumps(answers)

    wait_until(lambda: "from s3+http://***@store/x?***" in told())
    assert found_in(told().encode()) == []


def test_nothing_starts_by_itself(server: Server) -> None:
    schedules = {each["name"]: each["schedules"] for each in server.post("deployments/filter", {})}
    assert {name for name, listed in schedules.items() if listed} == {"preprocess", "best"}
    for [schedule] in filter(None, schedules.values()):
        assert schedule["schedule"]["timezone"] == "Europe/London"
        assert not schedule["active"]
    automations = server.post("automations/filter", {})
    assert len(automations) == 2
    assert not any(each["enabled"] for each in automations)


def test_a_run_is_named_and_tagged_by_what_it_does(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = toy_tree(tmp_path / "tree")
    (tree / "dvc.yaml").write_text(TWO_STAGES)
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "dvc.yaml", "params.yaml"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "first"], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True)
    monkeypatch.setenv("PATH", server.environment["PATH"])

    assert pipeline(str(tree)) == {"one": "ran", "two": "ran"}
    (tree / "dvc.yaml").write_text(TWO_STAGES.replace("echo 2", "echo 3"))
    assert pipeline(str(tree)) == {"one": "skipped", "two": "ran"}

    runs = {run["name"]: run for run in flow_runs(server, "pipeline")}
    first, second = runs["every stage: 2 ran"], runs["every stage: 1 ran, 1 skipped"]
    assert first["state"]["message"] == "ran: one, two"
    assert second["state"]["message"] == "ran: two; skipped: one"
    params = f"params:{fingerprint(load_config(tree / 'params.yaml'))}"
    assert params in first["tags"] and params in second["tags"]
    [tag] = [tag for tag in first["tags"] if tag.startswith("commit:")]
    assert commit.startswith(tag.removeprefix("commit:"))
    assert f"{tag}-dirty" in second["tags"]
    ids = {"flow_runs": {"id": {"any_": [second["id"]]}}}
    states = {task["name"]: task["state_name"] for task in server.post("task_runs/filter", ids)}
    assert states == {"one": "Skipped", "two": "Ran"}


def test_an_evaluation_without_a_checkpoint_is_completed(server: Server, tmp_path: Path) -> None:
    assert evaluate(str(tmp_path)) is None
    messages = [run["state"]["message"] for run in flow_runs(server, "evaluate")]
    assert "there is no best checkpoint yet" in messages


@pytest.mark.long
def test_two_runs_never_train_at_once(server: Server) -> None:
    log = server.folder / "tree/log"
    with server.worker("dvdgan"):
        started = [
            server.post(f"deployments/{each['id']}/create_flow_run", {})["id"]
            for each in server.post("deployments/filter", {})
            if each["name"] in ("pipeline", "retrain")
        ]

        def both_are_done() -> bool:
            runs = server.post("flow_runs/filter", {"flow_runs": {"id": {"any_": started}}})
            assert not {run["state_type"] for run in runs} & {"FAILED", "CRASHED", "CANCELLED"}
            return [run["state_type"] for run in runs] == ["COMPLETED"] * 2

        wait_until(both_are_done, server.folder / "worker.log")
    assert log.read_text().split() == ["begin", "end"] * 2
    copies = list((server.folder / "tree/.runs/retrain").iterdir())
    assert len(copies) == 1 and (copies[0] / "dvc.lock").exists()


def test_a_new_best_checkpoint_starts_an_evaluation_of_its_step(server: Server) -> None:
    [automation] = [
        each
        for each in server.post("automations/filter", {})
        if each["name"] == "evaluate a new best checkpoint"
    ]
    server.call("PATCH", f"automations/{automation['id']}", {"enabled": True})

    def of_that_run() -> list[dict[str, Any]]:
        return [run for run in flow_runs(server, "evaluate") if run["parameters"].get("run")]

    emitted = emit_until(of_that_run, "best", "abc", {"metrics": {"FVD": 3.5}})
    steps = [run["parameters"]["step"] for run in of_that_run()]
    assert len(steps) == len(set(steps)) and set(steps) <= set(emitted)
    for run in of_that_run():
        assert run["parameters"] == {
            "folder": str(Path.cwd()),
            "run": "abc",
            "step": run["parameters"]["step"],
        }
    server.call("PATCH", f"automations/{automation['id']}", {"enabled": False})


def test_a_collapse_sends_a_message_until_messages_are_off(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[dict[str, Any]] = []

    class WebhookReceiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            messages.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    listener = HTTPServer(("127.0.0.1", free_port()), WebhookReceiver)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    try:
        CustomWebhookNotificationBlock(
            name="test",
            url=f"http://127.0.0.1:{listener.server_port}",
            json_data={"subject": "{{subject}}", "body": "{{body}}"},
        ).save("test")
        for _ in range(2):  # the second time it replaces what is there
            notify(monkeypatch, "--block", "custom-webhook/test")
        emitted = emit_until(
            lambda: messages, "collapsed", "abc", {"reasons": ["FVD 3 x the best"]}
        )
        assert messages[0]["subject"] in [f"Run abc collapsed at step {step}" for step in emitted]
        assert "FVD 3 x the best" in messages[0]["body"]
        notify(monkeypatch, "--off")
        automations = {each["name"] for each in server.post("automations/filter", {})}
        assert not any(name.startswith("dvdgan: ") for name in automations)
        assert "evaluate a new best checkpoint" in automations
        assert [message["subject"] for message in messages].count(messages[0]["subject"]) == 1
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def notify(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["notify.py", *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(PROJECT / "infra/prefect/notify.py"), run_name="__main__")
    assert ended.value.code == 0


@flow
def showing(folder: Path) -> None:
    """A run that shows one of everything."""
    artifacts.show_progress("Run_1", 5, 20)
    artifacts.show_progress("Run_1", 10, 20)
    artifacts.show_metrics("some metrics", {"step 10": {"FVD": 12.345678, "FID": None}})
    (folder / "sheet.png").write_bytes(b"\x89PNG")
    artifacts.show_sheet("samples", folder / "sheet.png")
    artifacts.show_link("page", Path("artifacts/a b.html"), folder)
    artifacts.show_link("page of a copy", Path("artifacts/c.html"), folder / ".runs/retrain/abc")
    artifacts.show_link("page elsewhere", Path("artifacts/d.html"), folder.parent)


def test_a_run_shows_progress_numbers_pictures_and_pages(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVDGAN_URL", "http://files.example/tree/")
    monkeypatch.setenv("DVDGAN_FOLDER", str(server.folder))
    showing(server.folder)
    shown = {each["key"]: each for each in server.post("artifacts/filter", {})}
    assert shown["progress-run-1"]["data"] == 50.0
    assert shown["progress-run-1"]["description"] == "Run_1: step 10 of 20"
    assert shown["some-metrics"]["data"].splitlines()[2] == "| step 10 | 12.35 | - |"
    assert shown["samples"]["data"] == "![samples](data:image/png;base64,iVBORw==)"
    assert "(http://files.example/tree/artifacts/a%20b.html)" in shown["page"]["data"]
    copy = "http://files.example/tree/.runs/retrain/abc/artifacts/c.html"
    assert shown["page-of-a-copy"]["data"] == f"[artifacts/c.html]({copy})"
    assert shown["page-elsewhere"]["data"] == f"`{server.folder.parent}/artifacts/d.html`"
    keys = ("progress-run-1", "some-metrics", "samples", "page", "page-of-a-copy", "page-elsewhere")
    assert len({shown[key]["flow_run_id"] for key in keys}) == 1


@pytest.mark.long
def test_the_docker_pool_of_the_page_is_one_the_server_takes(server: Server) -> None:
    page = (PROJECT / "docs/prefect.md").read_text()
    section = page.partition("```yaml\n")[2].partition("```")[0]
    deployments = (PROJECT / "prefect.yaml").read_text()
    before = "    work_pool: *training\n    concurrency_limit: *once_or_not_at_all\n"
    assert before in deployments
    file = server.folder / "docker.yaml"
    file.write_text(deployments.replace(before, section))
    server.run("prefect", "work-pool", "create", "--type", "docker", "dvdgan-docker")
    folder = {"DVDGAN_FOLDER": "/srv/dvdgan"}
    deploy = ["prefect", "--no-prompt", "deploy", "--prefect-file", str(file)]
    server.run(*deploy, "--name", "pipeline", **folder)
    [deployment] = server.post(
        "deployments/filter", {"deployments": {"name": {"any_": ["pipeline"]}}}
    )
    assert deployment["work_pool_name"] == "dvdgan-docker"
    assert deployment["job_variables"]["volumes"] == ["/srv/dvdgan:/srv/dvdgan"]
    [step] = deployment["pull_steps"]
    assert next(iter(step.values())) == {"directory": "/srv/dvdgan"}

"""Deployments, events, notifications and artifacts on a real server, SQLite's and PostgreSQL's."""

import json
import runpy
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect_server import PROJECT, Server, free_port, postgresql, wait_until

from flows import artifacts, events

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


@pytest.fixture(
    scope="module", params=["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.long)]
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with the deployments of prefect.yaml; PostgreSQL's was restarted since."""
    folder = tmp_path_factory.mktemp("server")
    tree = toy_tree(folder / "tree")
    with ExitStack() as stack:
        database = None
        if request.param == "PostgreSQL":
            database = stack.enter_context(postgresql())
        server = Server(folder, database)
        stack.callback(server.stop)
        server.start()
        server.run("prefect", "work-pool", "create", "--type", "process", "dvdgan")
        server.run("prefect", "--no-prompt", "deploy", "--all", DVDGAN_FOLDER=str(tree))
        limit = ["prefect", "work-queue", "set-concurrency-limit", "trainer", "1"]
        server.run(*limit, "--pool", "dvdgan")
        if database is not None:
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
            assert parameter.get("description"), f"{each['name']}: {name}"
    [scheduled] = [each for each in deployments if each["name"] == "best"]
    [schedule] = scheduled["schedules"]
    assert schedule["schedule"]["timezone"] == "Europe/London"
    assert schedule["active"]


@pytest.mark.long
def test_two_runs_never_train_at_once(server: Server) -> None:
    log = server.folder / "tree/log"
    with server.worker("dvdgan"):
        for each in server.post("deployments/filter", {}):
            if each["name"] in ("pipeline", "retrain"):
                server.post(f"deployments/{each['id']}/create_flow_run", {})

        def both_are_done() -> bool:
            runs = flow_runs(server, "pipeline") + flow_runs(server, "retrain")
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
    events.emit("best", "abc", 40, {"metrics": {"FVD": 3.5}})
    wait_until(lambda: flow_runs(server, "evaluate"))
    [run] = [run for run in flow_runs(server, "evaluate") if run["parameters"].get("run")]
    assert run["parameters"] == {"folder": str(Path.cwd()), "run": "abc", "step": 40}


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
        events.emit("collapsed", "abc", 60, {"reasons": ["FVD 3 x the best"]})
        wait_until(lambda: messages)
        assert messages[0]["subject"] == "Run abc collapsed at step 60"
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


def test_a_run_shows_progress_numbers_pictures_and_pages(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVDGAN_URL", "http://files.example/tree/")
    showing(server.folder)
    shown = {each["key"]: each for each in server.post("artifacts/filter", {})}
    assert shown["progress-run-1"]["data"] == 50.0
    assert shown["progress-run-1"]["description"] == "Run_1: step 10 of 20"
    assert shown["some-metrics"]["data"].splitlines()[2] == "| step 10 | 12.35 | - |"
    assert shown["samples"]["data"] == "![samples](data:image/png;base64,iVBORw==)"
    assert "(http://files.example/tree/artifacts/a%20b.html)" in shown["page"]["data"]
    assert len({each["flow_run_id"] for each in shown.values()}) == 1


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

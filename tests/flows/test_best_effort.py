"""What is sent to Prefect is sent at best effort: a server that is gone stops nobody."""

import logging
import time
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from dvdgan.storage.local import write_json
from flows import artifacts, events
from flows.best_effort import best_effort

NOBODY = "http://127.0.0.1:1/api"  # a port that refuses


def test_nothing_is_raised_and_nobody_waits_when_the_server_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", NOBODY)
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"\x89PNG")
    begun = time.monotonic()
    with temporary_settings({PREFECT_API_URL: NOBODY}):
        artifacts.show_progress("run", 1, 2)
        artifacts.show_metrics("metrics", {"generated": {"FVD": 1.0}})
        artifacts.show_sheet("sheet", sheet)
        artifacts.show_link("report", Path("artifacts/report/index.html"), tmp_path)
        artifacts.show_results(tmp_path)  # where there are no results, either
        events.emit("saved", "run", 1, {})
    assert time.monotonic() - begun < 60  # the client's own patience would be minutes


def test_results_are_shown_by_metric_with_the_count_of_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[str, artifacts.TableRow] = {}
    monkeypatch.setattr(artifacts, "show_metrics", lambda _, rows: shown.update(rows))
    monkeypatch.setattr(artifacts, "show_link", lambda *_: None)

    def metric(clips: int, value: float) -> dict[str, object]:
        return {"value": value, "interval": [value - 1, value + 1], "protocol": {"clips": clips}}

    measured = {
        "generated": {"FVD[self_trained,256,1a2b3c4d]": metric(256, 9.0)},
        "controls": {
            "mean clip": {"FVD[self_trained,256,1a2b3c4d]": metric(256, 29.0)},
            "real test clips": {"FVD[self_trained,48,5e6f7a8b]": metric(48, 4.0)},
        },
    }
    write_json(tmp_path / artifacts.RESULTS, measured)
    artifacts.show_results(tmp_path)
    assert [*shown["FVD"].items()] == [
        ("generated", "9 (8 to 10)"),
        ("real test clips", "4 (3 to 5)"),
        ("mean clip", "29 (28 to 30)"),
    ]
    assert shown["clips"] == {"generated": "256", "real test clips": "48", "mean clip": "256"}


def test_an_outage_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        with best_effort("weather"):
            raise OSError("no connection")

    logging.getLogger("prefect").propagate = True
    with caplog.at_level(logging.WARNING):
        fail()
        fail()
        assert caplog.text.count("Prefect did not receive weather: no connection") == 1
        with best_effort("weather"):
            pass
        fail()  # another outage
    assert caplog.text.count("Prefect did not receive weather") == 2


def test_an_interruption_is_no_outage() -> None:
    with pytest.raises(KeyboardInterrupt), best_effort("weather"):
        raise KeyboardInterrupt


def test_without_a_server_nothing_is_emitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    def emit(*_: object, **__: object) -> None:
        raise AssertionError("this would start a server")

    monkeypatch.setattr(events, "emit_event", emit)
    events.emit("best", "run", 1, {})
    events.emit_new_data("folder", {})

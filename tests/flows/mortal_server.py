"""A Prefect server that can be killed, and what it shows of a run."""

import os
import signal
from typing import Any

from light_run import LightRun
from prefect_server import Server


class Mortal(Server):
    """A server that can be killed."""

    def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def flow_run(self, run: LightRun) -> dict[str, Any]:
        """The newest one of ``run``."""
        wanted = {"tags": {"all_": [place(run)]}}
        body = {"flow_runs": wanted, "sort": "EXPECTED_START_TIME_DESC", "limit": 1}
        found = self.post("flow_runs/filter", body)
        return found[0] if found else {"state_type": None}

    def state(self, run: LightRun) -> str | None:
        return self.flow_run(run)["state_type"]

    def tasks(self) -> set[str]:
        """The names of all task runs."""
        return {each["name"] for each in self.post("task_runs/filter", {"limit": 200})}

    def events(self, run: LightRun) -> set[str]:
        """The kinds of events about the checkpoints of ``run``."""
        wanted = {"resource": {"id_prefix": [f"dvdgan.checkpoint.{run.run.root.name}."]}}
        return {each["event"] for each in self.post("events/filter", {"filter": wanted})["events"]}

    def artifacts(self) -> set[str]:
        """Their keys."""
        return {each["key"] for each in self.post("artifacts/latest/filter", {})}

    def resume(self, run: LightRun, **form: str) -> None:
        response = self.post(f"flow_runs/{self.flow_run(run)['id']}/resume", {"run_input": form})
        assert response["status"] == "ACCEPT", response


def place(run: LightRun) -> str:
    return f"at:{os.uname().nodename}:{run.run.root}"

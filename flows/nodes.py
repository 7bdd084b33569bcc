"""Many nodes: the flow `train-node`, the agent of a host on its Prefect worker, and its launcher.

infra/prefect/add_node.sh makes a host's deployment and worker (docs/clusters.md).
"""

from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Crashed

from dvdgan.errors import EXIT_INTERRUPTED, UserError
from dvdgan.guard.agent import serve
from dvdgan.guard.coordinator import BEGUN, ENDED, WAITING, Coordinator
from dvdgan.guard.run_folder import RunFolder
from dvdgan.machine import Machine
from dvdgan.machine.keys import KEYS
from flows.best_effort import best_effort, impatient_client

ORDERLY = (StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED)


@flow(name="train-node", flow_run_name="train on {name}", persist_result=False)
def train_node(run_folder: str, name: str, launch_id: str) -> State[Any] | None:
    """Run one node of a training run. Started by the flow `train`, not by hand.

    ``run_folder`` and the working folder are on a file system that all nodes share.
    """
    code = serve(RunFolder(Path(run_folder)), name, launch_id, get_run_logger().info)
    if code == EXIT_INTERRUPTED:
        return Cancelled(message="stopped; the run is saved")
    if code != 0:
        raise RuntimeError(
            f"the trainers of {name} ended with exit code {code}; see their log lines"
        )
    return None


def launch_on_nodes(run: RunFolder, machine: Machine) -> Coordinator:
    """Start a trainer on every node of DVDGAN_NODES, from a flow run or one of its tasks.

    Raises UserError naming the nodes that have no deployment.
    """
    unknown = []
    with best_effort("the nodes that train"), impatient_client() as client:
        for name, _ in machine.nodes.hosts:
            try:
                client.read_deployment_by_name(f"train-node/{name}")
            except ObjectNotFound:
                unknown.append(name)
    if unknown:
        raise UserError(
            f"Prefect has no deployment train-node/{', train-node/'.join(unknown)}",
            where=KEYS["nodes.hosts"].place,
            todo="run `infra/prefect/add_node.sh NAME` on that host, or correct the name",
        )
    return Coordinator(run, machine, DeploymentLauncher(run), get_run_logger().warning)


class DeploymentLauncher:
    """The nodes' flow runs: a NodeLauncher (guard/coordinator.py).

    A server that is away delays a launch and does nothing else: every request is made again.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._ids: dict[str, UUID] = {}
        self._to_close: set[UUID] = set()

    def start(self, name: str, launch_id: str) -> bool:
        """See NodeLauncher. The run is a subflow of the flow run it is called in."""
        self._close()
        with (
            best_effort(f"the start of node {name}"),
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        ):
            started = run_deployment(
                f"train-node/{name}",
                parameters={
                    "run_folder": str(self._run.root.absolute()),
                    "name": name,
                    "launch_id": launch_id,
                },
                timeout=0,
                as_subflow=True,
                # An answer that was lost must not start a second one.
                idempotency_key=launch_id,
            )
            assert isinstance(started, FlowRun)  # a coroutine only where an event loop runs
            self._ids[name] = started.id
            return True
        return False

    def state(self, name: str) -> str | None:
        with best_effort(f"the state of node {name}"), impatient_client() as client:
            state = client.read_flow_run(self._ids[name]).state
            if state is None or state.is_scheduled():
                return WAITING
            return ENDED if state.type in ORDERLY else BEGUN
        return None

    def give_up(self, name: str) -> None:
        if name in self._ids:
            self._to_close.add(self._ids.pop(name))
        self._close()

    def _close(self) -> None:
        """Runs that never began become Cancelled, runs that began and do not answer Crashed."""
        for id_ in list(self._to_close):
            with best_effort("the end of a node's run"), impatient_client() as client:
                state = client.read_flow_run(id_).state
                if state is None or state.is_scheduled():
                    client.set_flow_run_state(id_, Cancelled(message="not needed any more"), True)
                elif not state.is_final():
                    lost: State[Any] = Crashed(message="node lost: no heartbeat")
                    client.set_flow_run_state(id_, lost, force=True)
                self._to_close.discard(id_)

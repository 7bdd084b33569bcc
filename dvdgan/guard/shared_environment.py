"""The environment that all nodes of a run share: which variables, and the file they travel in.

Among them are credentials. So they are in a file of the run folder that its owner alone may read,
as long as the nodes train; never in what is logged, nor in a flow run's parameters.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dvdgan.errors import UserError
from dvdgan.storage.local import read_json

ENVIRONMENT = "environment-"  # the beginning of the file's name

PREFIXES = (
    *("DVDGAN_", "ACCELERATE_", "TORCH_", "PYTORCH_", "OMP_", "CUDA_", "CUBLAS_"),
    *("NCCL_", "GLOO_", "AWS_", "WANDB_", "MLFLOW_"),
)
# What belongs to one host or one process.
NOT_SHARED = (
    *("CUDA_VISIBLE_DEVICES", "DVDGAN_LAUNCHER", "DVDGAN_NODES", "DVDGAN_FOLDER"),
    *("DVDGAN_PROCESS_TAG", "DVDGAN_PARENT"),
)


def shared(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Those of ``variables`` that the supervisor has all nodes set."""
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(PREFIXES) and name not in NOT_SHARED
    }


@contextmanager
def environment_file(path: Path) -> Iterator[None]:
    """Keep `shared` variables in ``path``, mode 0600, inside the block; those of launches before,
    which were killed, are removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"{ENVIRONMENT}*.json"):
        left.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(shared(), file)
        yield
    finally:
        path.unlink(missing_ok=True)


def read_environment(path: Path) -> dict[str, str]:
    """What `environment_file` wrote. Raises UserError where it cannot be read."""
    try:
        variables: dict[str, str] = read_json(path)
    except OSError as error:
        raise UserError(
            f"the run's environment cannot be read: {error.strerror}",
            where=str(path),
            todo="run the worker of every node as the user that runs `dvdgan train`",
        ) from error
    return variables

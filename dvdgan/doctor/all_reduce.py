"""LAUNCHER dvdgan.doctor.all_reduce: the processes of a launcher sum numbers over all of them."""

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import timedelta

RESULT = "dvdgan.doctor.all_reduce: "
"""Begins the line that the first process prints."""
NUMBERS = 4 << 20  # 16 MiB in fp32
REPEATS = 5
JOIN_SECONDS = 60


@dataclass(frozen=True)
class AllReduce:
    """What the first process measured."""

    backend: str
    """nccl or gloo."""
    hosts: dict[str, int]
    """Number of processes by host name."""
    correct: bool
    """Whether the sum over all processes of rank + 1 is n (n + 1) / 2 on each of them."""
    seconds: float
    """Median time of an all-reduce of 16 MiB."""


def measure() -> AllReduce:
    """Join the other processes. Every one gets the same result, but for the times."""
    import torch
    from torch import distributed

    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=timedelta(seconds=JOIN_SECONDS))
    try:
        world = distributed.get_world_size()
        names: list[str] = [""] * world
        distributed.all_gather_object(names, socket.gethostname())
        correct, seconds = True, []
        for _ in range(REPEATS):
            numbers = torch.full((NUMBERS,), distributed.get_rank() + 1.0, device=device)
            began = time.perf_counter()
            distributed.all_reduce(numbers)
            correct &= bool((numbers == world * (world + 1) / 2).all())  # waits for the device
            seconds.append(time.perf_counter() - began)
        sums: list[bool] = [False] * world
        distributed.all_gather_object(sums, correct)
        hosts = {name: names.count(name) for name in sorted(set(names))}
        return AllReduce(backend, hosts, all(sums), sorted(seconds)[REPEATS // 2])
    finally:
        distributed.destroy_process_group()


if __name__ == "__main__":
    found = measure()
    if os.environ.get("RANK", "0") == "0":
        print(RESULT + json.dumps(asdict(found)), flush=True)

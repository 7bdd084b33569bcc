"""GPUs as torch sees them: driver, compute capability, free memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvdgan.doctor.finding import FAILS, OK, WARNING, Finding, size
from dvdgan.doctor.settings import DoctorSettings
from dvdgan.doctor.software import cores
from dvdgan.machine import NO_LAUNCHER

NAME = "gpu"
# Linux has it where NVIDIA's driver is loaded.
DRIVER = Path("/proc/driver/nvidia/version")
# Less than this share free: another process computes there.
LEAST_FREE = 0.9


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """One line for each GPU, or one that says why there is none."""
    import torch

    wanted = settings.machine.devices.evaluation or ""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted.startswith("cuda") and int(wanted.partition(":")[2] or 0) >= count:
        yield Finding(
            NAME,
            FAILS,
            f"DVDGAN_EVALUATION_DEVICE is {wanted}, and torch sees {count} GPUs",
            "choose another device, or unset it",
        )
    if not count:
        yield _without_gpu(torch)
    machine = settings.machine
    if count > 1 and machine.launch.launcher == NO_LAUNCHER and not machine.nodes.hosts:
        yield Finding(
            NAME,
            WARNING,
            f"a run uses one of {count} GPUs: DVDGAN_LAUNCHER is not set",
            f'DVDGAN_LAUNCHER="torchrun --nproc-per-node {count} -m" (docs/gpus.md)',
        )
    for index in range(count):
        yield _device(torch, index)


def _without_gpu(torch: Any) -> Finding:
    if not DRIVER.exists():
        return Finding(NAME, OK, f"none; training runs on {cores()} CPU cores")
    if torch.version.cuda is None:
        return Finding(
            NAME,
            FAILS,
            f"this machine has an NVIDIA driver, and torch {torch.__version__} is a build without "
            "CUDA",
            "install the CUDA build (README.md, Quick start)",
        )
    try:
        torch.cuda.init()
        reason = "CUDA_VISIBLE_DEVICES may hide all GPUs"
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
    return Finding(
        NAME,
        FAILS,
        f"torch {torch.__version__} (CUDA {torch.version.cuda}) sees no GPU: {reason}",
        "update the driver, or install the torch build of a CUDA version that it supports "
        "(`nvidia-smi` shows both)",
    )


def _device(torch: Any, index: int) -> Finding:
    properties = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    major, minor = properties.major, properties.minor
    about = (
        f"{index}: {properties.name}, {size(free)} of {size(total)} free, compute capability "
        f"{major}.{minor}, CUDA {torch.version.cuda}"
    )
    if not _is_supported(torch.cuda.get_arch_list(), major, minor):
        return Finding(
            NAME,
            FAILS,
            f"{about}: torch {torch.__version__} has no code for it",
            "install a torch build for this GPU (https://pytorch.org/get-started)",
        )
    if free < LEAST_FREE * total:
        return Finding(
            NAME,
            WARNING,
            f"{about}: other processes use {size(total - free)}",
            "stop them (`nvidia-smi` lists them), or set CUDA_VISIBLE_DEVICES",
        )
    return Finding(NAME, OK, about)


def _is_supported(built: list[str], major: int, minor: int) -> bool:
    """Whether a build for ``built`` (`sm_80`, `compute_90`) runs on a GPU of this capability.

    Machine code runs on later minor versions, PTX on everything later.
    """
    for architecture in built:
        kind, _, digits = architecture.rstrip("af").partition("_")
        its_major, its_minor = int(digits[:-1]), int(digits[-1])
        if kind == "compute" and (its_major, its_minor) <= (major, minor):
            return True
        if kind == "sm" and its_major == major and its_minor <= minor:
            return True
    return False

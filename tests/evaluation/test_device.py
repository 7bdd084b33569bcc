"""DVDGAN_EVALUATION_DEVICE: where clips are sampled and measured."""

import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.device import (
    SHARE_OF_FREE,
    allowed_fraction,
    beside_trainer,
    device,
    device_beside_trainer,
)


def test_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("DVDGAN_EVALUATION_DEVICE", raising=False)
    assert device() == "cuda"
    for name in ("cpu", "cuda", "cuda:1"):
        monkeypatch.setenv("DVDGAN_EVALUATION_DEVICE", name)
        assert device() == name


@pytest.mark.parametrize(("name", "gpus"), [("cuda", 0), ("cuda:2", 2)])
def test_one_that_is_not_there_is_refused(
    name: str, gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("DVDGAN_EVALUATION_DEVICE", name)
    with pytest.raises(UserError, match=f"{name}, but this machine has {gpus} GPUs"):
        device()


def test_without_a_gpu_it_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.delenv("DVDGAN_EVALUATION_DEVICE", raising=False)
    assert device() == "cpu"


@pytest.mark.parametrize(
    ("gpus", "requested", "chosen"),
    [
        (0, "", "cpu"),
        (1, "", "cuda:0"),
        (2, "", "cuda:1"),
        (8, "", "cuda:7"),
        (8, "cuda:3", "cuda:3"),
        (8, "cuda", "cuda"),
        (8, "cpu", "cpu"),
    ],
)
def test_beside_a_trainer_it_is_the_last_gpu(
    gpus: int, requested: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("DVDGAN_EVALUATION_DEVICE", requested)
    assert device_beside_trainer() == chosen


class OneGpu:
    """As if torch had one GPU of 80 GB with 10 GB free; records the limit that is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.limits: list[tuple[float, int]] = []
        monkeypatch.delenv("DVDGAN_EVALUATION_DEVICE", raising=False)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10 * 10**9, 80 * 10**9))
        monkeypatch.setattr(
            torch.cuda,
            "set_per_process_memory_fraction",
            lambda fraction, gpu: self.limits.append((fraction, gpu)),
        )


def test_a_trainer_keeps_a_part_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = OneGpu(monkeypatch)
    assert beside_trainer(lambda where: where) == "cuda:0"
    assert gpu.limits == [(SHARE_OF_FREE / 8, 0)]
    assert allowed_fraction(0, 80) == 0
    assert allowed_fraction(80, 80) < 1


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("Tried to allocate 2.00 GiB.\nMore words"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    ],
)
def test_where_memory_is_short_it_is_measured_on_the_cpu(
    error: RuntimeError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    OneGpu(monkeypatch)

    def work(where: str) -> str:
        if where != "cpu":
            raise error
        return "measured"

    assert beside_trainer(work) == "measured"
    errors = capsys.readouterr().err
    assert f"cuda:0 ({str(error).splitlines()[0]}): measuring on the CPU" in errors


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    OneGpu(monkeypatch)
    tried = []

    def work(where: str) -> None:
        tried.append(where)
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        beside_trainer(work)
    assert tried == ["cuda:0"]

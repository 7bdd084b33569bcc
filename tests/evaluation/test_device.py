"""DVDGAN_EVALUATION_DEVICE: where clips are sampled and measured."""

import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.device import device


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
    with pytest.raises(UserError, match=f"{name}, and there are {gpus} GPUs"):
        device()


def test_without_a_gpu_it_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.delenv("DVDGAN_EVALUATION_DEVICE", raising=False)
    assert device() == "cpu"

"""Variables of other libraries that would change numbers: all named and refused, none by half."""

from pathlib import Path

import pytest

from dvdgan.config import load_config
from dvdgan.errors import UserError
from dvdgan.evaluation.device import device
from dvdgan.guard.numeric_environment import (
    ARITHMETIC,
    TRAINING,
    refuse_other_arithmetic,
    refuse_other_training,
)

PROJECT = Path(__file__).resolve().parents[2]
TRAIN = load_config(PROJECT / "presets" / "demo.yaml").train


def refusal(variables: dict[str, str], **changes: object) -> str:
    with pytest.raises(UserError) as refused:
        refuse_other_training(TRAIN.model_copy(update=changes), variables)
    return str(refused.value)


def test_what_accelerate_launch_sets_by_itself_is_fine() -> None:
    refuse_other_training(
        TRAIN,
        {
            "ACCELERATE_MIXED_PRECISION": "no",
            "ACCELERATE_DYNAMO_BACKEND": "NO",
            "ACCELERATE_DYNAMO_MODE": "default",
            "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "1",
            "ACCELERATE_USE_CPU": "True",
            "ACCELERATE_USE_FSDP": "false",
        },
    )


def test_a_variable_that_agrees_with_the_params_is_fine() -> None:
    agreeing = {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "2"}
    changed = TRAIN.model_copy(update={"precision": "bf16", "accumulation": 2})
    refuse_other_training(changed, agreeing)


@pytest.mark.parametrize("value", ["bf16", "fp16", "FP8", "anything"])
def test_another_precision_is_named_with_its_key(value: str) -> None:
    message = refusal({"ACCELERATE_MIXED_PRECISION": value})
    assert f"ACCELERATE_MIXED_PRECISION is {value!r}, but train.precision is fp32" in message
    assert "--mixed_precision no" in message


def test_another_accumulation_is_named_with_its_key() -> None:
    message = refusal({"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}, accumulation=2)
    assert "ACCELERATE_GRADIENT_ACCUMULATION_STEPS is '4', but train.accumulation is 2" in message


@pytest.mark.parametrize("name", [*TRAINING, *ARITHMETIC])
def test_what_no_key_decides_is_refused_by_a_trainer(name: str) -> None:
    assert f"{name} is 'true', which " in refusal({name: "true"})
    refuse_other_training(TRAIN, {name: ""})


@pytest.mark.parametrize("name", ARITHMETIC)
def test_other_arithmetic_is_refused_wherever_clips_are_measured(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "BF16")
    with pytest.raises(UserError, match=name):
        device()


def test_tf32_is_decided_by_nobody_else_even_when_switched_off() -> None:
    with pytest.raises(UserError, match="NVIDIA_TF32_OVERRIDE is '0'"):
        refuse_other_arithmetic({"NVIDIA_TF32_OVERRIDE": "0"})


def test_all_of_them_are_named_at_once() -> None:
    message = refusal(
        {"ACCELERATE_MIXED_PRECISION": "fp16", "ACCELERATE_DYNAMO_BACKEND": "INDUCTOR"}
    )
    assert "fp16" in message and "INDUCTOR" in message

"""Environment variables of other libraries that would change results are refused.

accelerate and torch are given explicitly what they take as arguments (training/runtime.py,
evaluation/device.py). The variables here would have an effect all the same, or contradict
params.yaml. docs/stages/train.md has the table.
"""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dvdgan.errors import UserError

if TYPE_CHECKING:
    from dvdgan.config.schema import Train

OFF = ("", "0", "no", "false", "none")

# Read by the libraries below torch, in every process that computes. No call can override them.
ARITHMETIC = {
    "NVIDIA_TF32_OVERRIDE": (OFF[:1], "sets for all GPU libraries whether fp32 is rounded"),
    "CUBLAS_EMULATE_SINGLE_PRECISION": (OFF, "computes fp32 products from bf16 ones"),
    "CUBLAS_EMULATE_DOUBLE_PRECISION": (OFF, "computes fp64 products from integer products"),
    "ONEDNN_DEFAULT_FPMATH_MODE": (("", "strict"), "computes fp32 in a narrower type"),
    "DNNL_DEFAULT_FPMATH_MODE": (("", "strict"), "computes fp32 in a narrower type"),
    "XLA_USE_BF16": (OFF, "makes every fp32 number bf16"),
    "XLA_DOWNCAST_BF16": (OFF, "makes every fp32 number bf16"),
}

# Read by accelerate, in a trainer: other ways to train, which params.yaml has no key for.
TRAINING = {
    "ACCELERATE_DYNAMO_BACKEND": "compiles the networks",
    "ACCELERATE_FP8_BACKEND": "runs layers in fp8",
    "ACCELERATE_DOWNCAST_BF16": "makes fp32 numbers bf16",
    "ACCELERATE_USE_FSDP": "shards weights and optimisers by FSDP",
    "ACCELERATE_USE_DEEPSPEED": "trains by DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "trains by Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "splits the networks over processes",
}


def refuse_other_arithmetic(variables: Mapping[str, str] = os.environ) -> None:
    """Raise UserError if a variable changes how torch computes, naming it and its value."""
    _raise(_other_arithmetic(variables))


def refuse_other_methods(variables: Mapping[str, str] = os.environ) -> None:
    """Raise UserError where a variable asks for arithmetic or for a way to train that no key of
    params.yaml has."""
    _raise([*_other_arithmetic(variables), *_other_methods(variables)])


def refuse_other_training(train: "Train", variables: Mapping[str, str] = os.environ) -> None:
    """Raise UserError if a variable contradicts section ``train``, naming the key.

    All such variables are named at once. One that agrees with the params is fine.
    """
    _raise([*_other_arithmetic(variables), *_other_training(train, variables)])


def _other_arithmetic(variables: Mapping[str, str]) -> Iterator[str]:
    for name, (harmless, effect) in ARITHMETIC.items():
        value = variables.get(name, "").strip()
        if value.lower() not in harmless:
            yield f"{name} is {value!r}, which {effect}; params.yaml has no key for this"


def _other_training(train: "Train", variables: Mapping[str, str]) -> Iterator[str]:
    precision = variables.get("ACCELERATE_MIXED_PRECISION", "").strip()
    if precision.lower() not in (*OFF, train.precision):
        yield (
            f"ACCELERATE_MIXED_PRECISION is {precision!r}, but train.precision is "
            f"{train.precision}; set train.precision in params.yaml, and the variable to 'no' "
            "(`accelerate launch --mixed_precision no`)"
        )
    parts = variables.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "").strip()
    if parts not in ("", "1", str(train.accumulation)):
        yield (
            f"ACCELERATE_GRADIENT_ACCUMULATION_STEPS is {parts!r}, but train.accumulation is "
            f"{train.accumulation}; set train.accumulation in params.yaml"
        )
    yield from _other_methods(variables)


def _other_methods(variables: Mapping[str, str]) -> Iterator[str]:
    for name, effect in TRAINING.items():
        value = variables.get(name, "").strip()
        if value.lower() not in OFF:
            yield f"{name} is {value!r}, which {effect}; params.yaml has no key for this"


def _raise(found: Iterator[str] | list[str]) -> None:
    lines = list(found)
    if lines:
        raise UserError(
            "environment variables contradict params.yaml and would change results:\n"
            + "\n".join(f"  - {line}" for line in lines),
            where="environment variables, perhaps of `accelerate launch` and its config file",
            todo="unset them, or answer `no` in `accelerate config` (docs/stages/train.md)",
        )

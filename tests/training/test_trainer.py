"""A real trainer process that meets a number which is not finite."""

from collections.abc import Callable

import torch
from tiny_run import CLIP, MODEL, TRAIN
from trainer_processes import Nursery

from dvdgan.guard.run_folder import EXIT_NON_FINITE, RunFolder
from dvdgan.storage.local import read_json
from dvdgan.training.checkpoint import save_checkpoint
from dvdgan.training.runtime import Runtime
from dvdgan.training.state import initial_state

NewRun = Callable[..., RunFolder]


def test_a_number_that_is_not_finite_ends_the_trainer_and_says_which(
    new_run: NewRun, nursery: Nursery
) -> None:
    run = new_run("poisoned")
    state = initial_state(CLIP, MODEL, TRAIN, 4, torch.device("cpu"))
    state.step = 4
    torch.nn.init.constant_(state.generator.output.bias, float("nan"))
    save_checkpoint(state, run.checkpoint(4), conditions=Runtime.start().conditions())
    nursery.begin("trainer", run)
    assert nursery.ended() == EXIT_NON_FINITE
    failure = read_json(run.failure)
    assert failure["step"] == 5
    assert "generator_loss" in failure["what"]
    assert "not finite at step 5" in failure["what"]
    assert run.saved_steps() == [4]
    assert run.metrics.read_bytes() == b""

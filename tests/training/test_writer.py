"""The background writer: order, a full disk, a refused one, giving up."""

import errno
import threading
from collections.abc import Callable

import pytest

from dvdgan.errors import UserError
from dvdgan.training.checkpoint_manager import BackgroundWriter


def failing(error: int, times: int, done: list[str], name: str = "it") -> Callable[[], None]:
    """A job that fails ``times`` times and then is done."""
    left = [times]

    def write() -> None:
        if left[0] > 0:
            left[0] -= 1
            raise OSError(error, "as told", "/a/file")
        done.append(name)

    return write


def test_jobs_are_done_in_order_and_beside_the_caller() -> None:
    writer, done, gate = BackgroundWriter(), list[str](), threading.Event()
    writer.submit("first", lambda: (gate.wait(10), done.append("first"))[1])
    writer.submit("second", lambda: done.append("second"))
    assert not writer.wait(0.05) and done == []
    gate.set()
    assert writer.wait(10)
    assert done == ["first", "second"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_waited_for(error: int, capfd: pytest.CaptureFixture[str]) -> None:
    writer, done = BackgroundWriter(retry_seconds=0.01), list[str]()
    writer.submit("step-00000007", failing(error, 3, done))
    assert writer.wait(10)
    assert done == ["it"] and writer.blocked is None
    told = capfd.readouterr().err
    assert told.count("paused because step-00000007 cannot be written: as told") == 1
    assert "step-00000007 has been written; training continues" in told


def test_while_it_waits_it_says_so_and_can_be_given_up() -> None:
    writer, done = BackgroundWriter(retry_seconds=60), list[str]()
    writer.submit("step-00000007", failing(errno.ENOSPC, 10**9, done))
    while writer.blocked is None:
        assert not writer.wait(0.01)
    assert writer.blocked == "step-00000007"
    writer.give_up()
    assert writer.wait(10) and done == []


def test_a_disk_that_refuses_is_the_user_s_to_mend() -> None:
    writer = BackgroundWriter()
    writer.submit("step-00000007", failing(errno.EROFS, 1, []))
    with pytest.raises(UserError, match="cannot be written: as told") as raised:
        writer.wait(10)
    assert raised.value.where == "/a/file"
    with pytest.raises(UserError):
        writer.check()


def test_any_other_failure_is_raised_as_it_is() -> None:
    writer = BackgroundWriter()
    writer.submit("it", lambda: int("seven"))
    with pytest.raises(ValueError, match="seven"):
        writer.wait(10)

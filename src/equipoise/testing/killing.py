"""Kill a fit at an exact step, to see that it goes on from there."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from equipoise.training.checkpoint import Checkpoint
from equipoise.training.loop import History
from equipoise.training.progress import listening


class Killed(BaseException):
    """Stands for `kill -9` in the middle of a fit."""


@contextmanager
def eager_checkpoints() -> Iterator[None]:
    """Write a checkpoint after every step (the rows of the history that are not due yet are lost)."""
    with (
        patch.object(Checkpoint, "due", lambda _self: True),
        patch.object(History, "settled", True),
    ):
        yield


@contextmanager
def killing(moment: int) -> Iterator[None]:
    """End the block without a word once it has reported `moment` steps."""
    left = moment

    def kill(_name: str, _step: int, _n_steps: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    try:
        with listening(kill):
            yield
    except Killed:
        return

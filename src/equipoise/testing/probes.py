"""What several contracts need: kill a fit, read the global random states, catch a refusal."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch
from sklearn.exceptions import NotFittedError

from equipoise.exceptions import DataError, SettingError
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.loop import History
from equipoise.training.progress import listening


class Killed(BaseException):
    """Stands for `kill -9` during a fit."""


@contextmanager
def eager_checkpoints() -> Iterator[None]:
    """Write a checkpoint after every step; history rows that are not due yet are lost."""
    with (
        patch.object(Checkpoint, "due", lambda _self: True),
        patch.object(History, "settled", True),
    ):
        yield


@contextmanager
def killing(moment: int) -> Iterator[None]:
    """Leave the block silently once its fit has reported `moment` steps."""
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


def random_states() -> tuple[object, ...]:
    """Return the global random states of Python, NumPy and torch, to be compared with `==`."""
    numpy_state = np.random.get_state()  # noqa: NPY002 (the global state is what is compared)
    return random.getstate(), str(numpy_state), torch.get_rng_state().numpy().tobytes()


def refusal(
    action: Callable[[], object],
    *errors: type[Exception],
    otherwise: str = "",
) -> str:
    """Return the message of the error that an action raises.

    Args:
        action: Called without arguments.
        errors: Accepted types; `DataError` and `SettingError` where none is given.
        otherwise: What is wrong if the action raises nothing.

    Raises:
        AssertionError: The action raised nothing.

    Example:
        >>> refusal(lambda: int("x"), ValueError)
        "invalid literal for int() with base 10: 'x'"
    """
    expected = errors or (DataError, SettingError)
    try:
        action()
    except expected as error:
        return str(error)
    names = " or ".join(error.__name__ for error in expected)
    raise AssertionError(f"Expected {names}{otherwise and ': '}{otherwise}.")


def check_not_fitted(*actions: Callable[[], object]) -> None:
    """Check that each action raises `NotFittedError` with a message that names `fit`."""
    for action in actions:
        message = refusal(action, NotFittedError, otherwise="nothing works before fit")
        assert "fit" in message, message

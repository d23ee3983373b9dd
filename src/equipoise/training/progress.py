"""Tell whoever listens how far a fit has come, without the fit knowing who listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]  # (what is being trained, steps done, steps in all)


def _nobody(_name: str, _step: int, _n_steps: int) -> None:
    """Ignore the report."""


_listener: ContextVar[Listener] = ContextVar("listener", default=_nobody)


def report(name: str, step: int, n_steps: int) -> None:
    """Tell the current listener that `step` of `n_steps` are done."""
    _listener.get()(name, step, n_steps)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the reports of every fit inside the block to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)

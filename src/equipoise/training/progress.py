"""Report how far a fit has come to whoever listens; the fit does not know who does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LOG_SECONDS = 10.0  # between two lines about the progress in a log file

Listener = Callable[[str, int, int], None]  # (name of the fit, steps done, steps in total)

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(name: str, step: int, n_steps: int) -> None:
    """Report to the current listener, if any, that `step` of `n_steps` are done."""
    listener = _listener.get()
    if listener is not None:
        listener(name, step, n_steps)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the reports of every fit inside the block to `listener`.

    Example:
        >>> with listening(print):
        ...     report("classifier", 3, 10)
        classifier 3 10
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)

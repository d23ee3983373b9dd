"""Try inputs in a child process that may crash, hang or run out of memory without harm."""

import contextlib
import io
import resource
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from equipoise.exceptions import EquipoiseError

MOST_BYTES = 1 << 30  # that an input may add to the memory of the process
SECONDS = 60.0  # after which an input hangs

ACCEPTED, REFUSED = "accepted", "refused"
TRACEBACK, CRASH, HANG, MEMORY = "traceback", "crash", "hang", "memory"
SILENT, DEAD_END, LEFT = "silent difference", "dead end", "left behind"
FAULTS = (TRACEBACK, CRASH, HANG, MEMORY, SILENT, DEAD_END, LEFT)


@dataclass(frozen=True)
class Outcome:
    """What an input led to: `ACCEPTED`, `REFUSED` or a fault, with the message or traceback."""

    kind: str
    text: str = ""


class FaultError(Exception):
    """An attempt found a fault by itself."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


Attempt = Callable[[int], object]  # tries input i; raises what the product raises


class Isolated:
    """Runs attempts in a child process, and starts another one where it ends.

    Args:
        make_attempt: Builds the attempt in the child process; a function of a module.
        arguments: Of `make_attempt`.
        limit_memory: Whether an attempt that needs more than `MOST_BYTES` fails.
        seconds: After which an attempt is ended.
    """

    def __init__(
        self,
        make_attempt: Callable[..., Attempt],
        *arguments: object,
        limit_memory: bool = True,
        seconds: float = SECONDS,
    ) -> None:
        self.start_arguments = (make_attempt, arguments, limit_memory)
        self.seconds = seconds
        self.process: Any = None
        self.connection: Any = None

    def run(self, index: int) -> Outcome:
        """Try one input."""
        if self.process is None:
            self._start()
        self.connection.send(index)
        if not self.connection.poll(self.seconds):
            self.close()
            return Outcome(HANG, f"no answer after {self.seconds:g} seconds")
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode
            self.close()
            return Outcome(CRASH, f"the process ended with code {code}")
        if outcome.kind == MEMORY:
            self.close()  # what it could not allocate may have left anything behind
        return outcome

    def close(self) -> None:
        """End the child process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.process = None

    def _start(self) -> None:
        context = get_context("spawn")
        self.connection, child = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(child, *self.start_arguments), daemon=True
        )
        self.process.start()
        child.close()
        self.connection.recv()  # the attempt is built


def _serve(
    connection: Connection,
    make_attempt: Callable[..., Attempt],
    arguments: tuple[object, ...],
    limit_memory: bool,
) -> None:
    attempt = make_attempt(*arguments)
    connection.send("ready")
    while True:
        index = connection.recv()
        if limit_memory:  # of this input: the process keeps memory of earlier ones
            limit = _data_bytes() + MOST_BYTES
            resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
        connection.send(outcome_of(attempt, index))


def outcome_of(attempt: Attempt, index: int) -> Outcome:
    """Try an input and say what happened; nothing is printed."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            attempt(index)
    except FaultError as fault:
        return fault.outcome
    except EquipoiseError as error:
        text = str(error)
        refused_late = "bad allocation" in text or "Failed to allocate" in text
        return Outcome(MEMORY if refused_late else REFUSED, text)
    except MemoryError:
        return Outcome(MEMORY, traceback.format_exc())
    except Exception:  # noqa: BLE001 (every other exception is what is searched for)
        return Outcome(TRACEBACK, traceback.format_exc())
    return Outcome(ACCEPTED, printed.getvalue())


def _data_bytes() -> int:
    """Return the size of this process's data, which `RLIMIT_DATA` limits."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData"):
            return int(line.split()[1]) * 1024
    return 0

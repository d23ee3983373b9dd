"""Side-by-side timing: two ways of doing the same, in turns, compared round by round."""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Pair:
    """Ours against the reference; `ratio` is the median over the rounds of ours / reference."""

    name: str
    unit: str
    ours: float
    reference: float
    ratio: float
    note: str

    def row(self) -> str:
        return (
            f"{self.name:<34} ours {self.ours:>9.1f}   reference {self.reference:>9.1f} "
            f"{self.unit:<10} ratio {self.ratio:>6.2f}   {self.note}"
        )

    def facts(self) -> dict[str, object]:
        return asdict(self)


def side_by_side(
    name: str,
    ours: Callable[[], float],
    reference: Callable[[], float],
    *,
    unit: str,
    note: str,
    rounds: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> Pair:
    """Run both in turns after one round to warm up; each returns how many things it did."""
    ours(), reference()
    rates = [(_rate(ours, clock), _rate(reference, clock)) for _ in range(rounds)]
    return Pair(
        name=name,
        unit=unit,
        ours=statistics.median(a for a, _ in rates),
        reference=statistics.median(b for _, b in rates),
        ratio=statistics.median(a / b for a, b in rates),
        note=note,
    )


def cpu_seconds() -> float:
    """Return the processor's seconds of this process and of those that it started and that ended.

    Unlike seconds on the wall they hardly depend on what runs beside.
    """
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _rate(work: Callable[[], float], clock: Callable[[], float]) -> float:
    start = clock()
    done = work()
    return done / (clock() - start)

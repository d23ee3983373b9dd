"""Run `python -m tools.fuzz`: exit with 0 only where no input, damage or signal shows a fault."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tools.fuzz import damages, interruptions, readers
from tools.fuzz.interruptions import Interruptions
from tools.fuzz.isolation import FAULTS, Isolated


def main() -> int:
    """Try inputs, damages and interruptions, print what they led to, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=2500, help="damaged files for the readers")
    parser.add_argument("--damages", type=int, default=200, help="damages of run folders")
    parser.add_argument(
        "--interruptions", type=int, default=len(interruptions.CASES), help="interrupted runs"
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first of each")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        n_faults = _try(
            "inputs",
            Isolated(readers.make_attempt, arguments.seed, scratch / "readers"),
            range(arguments.first, arguments.first + arguments.inputs),
        )
        if arguments.damages:
            damages.build_runs(scratch / "runs")
        n_faults += _try(
            "damages",
            Isolated(damages.make_attempt, arguments.seed, scratch / "runs", limit_memory=False),
            range(arguments.first, arguments.first + arguments.damages),
        )
        if arguments.interruptions:
            interruptions.build_runs(scratch / "interruptions")
            n_faults += _try(
                "interruptions",
                Interruptions(arguments.seed, scratch / "interruptions"),
                range(arguments.first, arguments.first + arguments.interruptions),
            )
    return 1 if n_faults else 0


def _try(what: str, isolated: Isolated | Interruptions, indices: range) -> int:
    """Try every index, print each fault and the counts, and return the number of faults."""
    start = time.monotonic()
    counts: Counter[str] = Counter()
    for index in indices:
        outcome = isolated.run(index)
        counts[outcome.kind] += 1
        if outcome.kind in FAULTS:
            print(f"--- {what} {index}: {outcome.kind}\n{outcome.text.rstrip()}", flush=True)
    isolated.close()
    seconds = time.monotonic() - start
    listed = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
    print(f"{len(indices)} {what} in {seconds:.0f} s: {listed or 'none'}", flush=True)
    return sum(counts[kind] for kind in FAULTS)


if __name__ == "__main__":
    sys.exit(main())

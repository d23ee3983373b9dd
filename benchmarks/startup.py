"""Start-up of `equipoise --help` against importing torch alone, which it must not wait for."""

import subprocess
import sys

from benchmarks.timing import Pair, side_by_side


def measure() -> Pair:
    return side_by_side(
        "equipoise --help",
        lambda: _run(
            "-c",
            "import sys; sys.argv = ['equipoise', '--help']; from equipoise.cli import main; "
            "main()",
        ),
        lambda: _run("-c", "import torch"),
        unit="starts/s",
        note="reference: python -c 'import torch'; under 1 s is more than 1 start/s",
        rounds=5,
    )


def _run(*arguments: str) -> int:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return 1

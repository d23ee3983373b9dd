"""The options that say where cells are trained: processes of this machine, or Ray; its memory."""

import re
from collections.abc import Mapping
from typing import Annotated

import typer

from equipoise.discovery import pick
from equipoise.exceptions import SettingError

TRAINING = "Training budget"  # panel of the help
PROCESSES, RAY = "processes", "ray"
EXECUTORS: Mapping[str, str | None] = {PROCESSES: None, RAY: "local"}  # -> address of Ray

Executor = Annotated[
    str,
    typer.Option(
        help="Where cells are trained: 'processes' of this machine, or 'ray' (the extra ray).",
        rich_help_panel=TRAINING,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        help="Ray's cluster: HOST:6379, or 'auto' on one of its nodes; implies --executor ray.",
        rich_help_panel=TRAINING,
        show_default="this machine",
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        help="Memory that all cells of a machine may use together, or those of each GPU, such as "
        "8G or 1500M; fewer workers are used where they would need more.",
        rich_help_panel=TRAINING,
        show_default="what is free",
    ),
]
UNITS = {"M": 2**20, "G": 2**30, "T": 2**40}  # bytes
LEAST = "1G"


def parse_memory(text: str | None) -> int | None:
    """Return the bytes of a --max-memory; None where none is named.

    Args:
        text: A number with M, G or T (2^20, 2^30, 2^40 bytes), for example "8G" or "1.5 TB".

    Raises:
        SettingError: Not a size, or one below 1 GB.

    Example:
        >>> parse_memory("8G"), parse_memory("1.5gb"), parse_memory(None)
        (8589934592, 1610612736, None)
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]*)", "".join(text.split()), re.IGNORECASE)
    unit = match and re.fullmatch(r"([MGT])i?B?", match[2], re.IGNORECASE)
    if match is None or unit is None:
        suggestion = f" Did you mean {match[1]}G?" if match and not match[2] else ""
        raise SettingError(
            f"Expected a size for --max-memory, such as 8G or 1500M, got {text!r}.{suggestion}"
        )
    n_bytes = int(float(match[1]) * UNITS[unit[1].upper()])
    if n_bytes < UNITS["G"]:
        raise SettingError(f"Expected a --max-memory of at least {LEAST}, got {text!r}.")
    return n_bytes


def ray_address(executor: str, address: str | None) -> str | None:
    """Return the address of Ray's cluster; None where Ray is not used.

    Args:
        executor: Of `EXECUTORS`.
        address: As given with --ray-address.

    Raises:
        SettingError: There is no such executor.

    Example:
        >>> ray_address("ray", None), ray_address("processes", "auto")
        ('local', 'auto')
    """
    of_executor = pick(EXECUTORS, executor, "executor")
    return address or of_executor


def check_executor(executor: str, address: str | None) -> None:
    """Raise where cells are to be trained by Ray, which is not installed, before images are read.

    Raises:
        SettingError: There is no such executor, or no Ray.
    """
    if ray_address(executor, address) is not None:
        from equipoise.experiments.running.ray_cluster import import_ray

        import_ray()

"""The options that say where cells are trained: processes of this machine, or Ray."""

from collections.abc import Mapping
from typing import Annotated

import typer

from equipoise.discovery import pick

TRAINING = "Training budget"  # panel of the help
PROCESSES, RAY = "processes", "ray"
EXECUTORS: Mapping[str, str | None] = {PROCESSES: None, RAY: "local"}  # -> address of Ray

Executor = Annotated[
    str,
    typer.Option(
        help="Where cells are trained: 'processes' of this machine, or 'ray' (equipoise[ray]).",
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

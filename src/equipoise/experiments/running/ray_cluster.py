"""Connect to a cluster of Ray, and check that its nodes can train the cells of a study."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from equipoise.atomic import atomic_file
from equipoise.exceptions import SettingError
from equipoise.experiments.running.environment import versions
from equipoise.experiments.running.ray_worker import Surroundings, look_around

LOCAL, AUTO = "local", "auto"  # addresses: Ray of this machine, the cluster that it belongs to
INSTALL = "pip install 'equipoise[ray]'"
ATTEMPTS = 3  # workers that a cell may lose
CONNECT_SECONDS = 10.0  # in which the address of a cluster has to answer
RETRIES = "2"  # of 40 s each, where something else than Ray answers; the default is minutes
LONGEST_REASON = 400  # characters of what Ray says

Node = Mapping[str, Any]  # Ray's record of a node


def import_ray() -> ModuleType:
    """Return Ray, which sends no usage statistics.

    Raises:
        SettingError: It is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise SettingError(
            f"Expected Ray for --executor ray (RayExecutor), which is not installed: {INSTALL}"
        ) from error
    module: ModuleType = ray
    return module


def connect(ray: ModuleType, address: str, n_cpus: int | None) -> None:
    """Connect to a cluster, or start Ray on this machine.

    Ray would handle SIGTERM in place of this process; the earlier handler stays.

    Args:
        ray: The module.
        address: See `RayExecutor`.
        n_cpus: CPUs of a Ray of this machine; all where None.

    Raises:
        SettingError: Nothing answers there, the cluster has another version of Ray or Python, or
            Ray does not start.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    if address not in (LOCAL, AUTO):
        check_address(address)
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", RETRIES)
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if in_main_thread else None
    of_local: dict[str, Any] = {"num_cpus": n_cpus, "include_dashboard": False}
    try:
        ray.init(
            address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(of_local if address == LOCAL else {}),
        )
    except Exception as error:
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        if address == LOCAL:
            raise SettingError(
                f"Expected Ray to start on this machine, got: {reason} Try again when the machine "
                "is less busy, or train without it: --executor processes."
            ) from error
        raise SettingError(
            f"Expected a Ray cluster of the same versions at --ray-address {address}, got: {reason}"
            " `ray status` on its head node says whether it runs; `ray start --head` starts one."
        ) from error
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)


def check_address(address: str) -> None:
    """Raise where the address of a cluster is none, or nothing answers there.

    Ray itself would try for a minute.

    Raises:
        SettingError: See above.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise SettingError(
            f"Expected --ray-address HOST:PORT or auto, got {address!r}. The port of a cluster is "
            "that of `ray start --head --port`, 6379 if it is not named."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise SettingError(
            f"Expected a Ray cluster at --ray-address {address}, where nothing answers: {error}. "
            "`ray status` on its head node says whether it runs; `ray start --head` starts one."
        ) from error


def on_node(ray: ModuleType, node_id: str) -> Any:
    """Return the option of a task or an actor that has to run on a node."""
    strategies = ray.util.scheduling_strategies
    return strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)


def blind_nodes(
    ray: ModuleType, nodes: Sequence[Node], workspace: Path, files: Sequence[Path]
) -> list[str]:
    """Return the names of nodes that do not see the workspace of a run.

    Args:
        ray: The module.
        nodes: Of the cluster.
        workspace: Folder of the driver.
        files: Files or folders that every node has to see.

    Raises:
        SettingError: A node has other versions of what results depend on, or lacks files.
    """
    token = uuid4().hex
    ask = ray.remote(num_cpus=0, max_retries=ATTEMPTS)(look_around)
    blind = []
    with witness_file(workspace, token) as path:
        answers = []
        for node in nodes:
            here = ask.options(scheduling_strategy=on_node(ray, node["NodeID"]))
            answers.append(here.remote(path, token, list(files)))
        for node, answer in zip(nodes, answers, strict=True):
            name = str(node["NodeManagerHostname"])
            surroundings = _answer(ray, name, answer)
            check_surroundings(name, surroundings)
            if not surroundings.sees_run:
                blind.append(name)
    return blind


def check_surroundings(name: str, surroundings: Surroundings) -> None:
    """Raise where results would depend on a node, or it lacks files.

    Raises:
        SettingError: See above; names all differences.
    """
    differences = []
    for package, version in versions().items():
        there = surroundings.versions.get(package, "nothing")
        if there != version:
            differences.append(f"{package} {version} (got {there})")
    if differences:
        raise SettingError(
            f"Expected on the node {name}, as here: {', '.join(differences)}. Install the same "
            "packages on all nodes, or results would depend on the node."
        )
    if surroundings.missing:
        raise SettingError(
            f"Expected the node {name} to see {len(surroundings.missing)} files that it lacks, "
            f"the first one {surroundings.missing[0]}. Keep them in a folder that all nodes share, "
            "under the same path ($EQUIPOISE_CACHE names that of prepared volumes)."
        )


@contextmanager
def witness_file(folder: Path, token: str) -> Iterator[Path]:
    """Write a token into a file of a folder, for others to read; remove the file at the end."""
    path = folder.absolute() / f"ray-{token}"
    with atomic_file(path) as temporary:
        temporary.write_text(token, encoding="ascii")
    try:
        yield path
    finally:
        path.unlink()


def last_line(error: Exception) -> str:
    r"""Return the last line of what Ray says, which is the reason; the error's name without text.

    Example:
        >>> last_line(RuntimeError("The task failed:\n  No module.")), last_line(ValueError())
        ('No module.', 'ValueError')
    """
    return str(error).strip().rpartition("\n")[2].strip() or type(error).__name__


def _answer(ray: ModuleType, name: str, reference: Any) -> Surroundings:
    try:
        answer: Surroundings = ray.get(reference)
    except ray.exceptions.RayError as error:
        raise SettingError(
            f"Expected equipoise {versions()['equipoise']} on the node {name}, got: "
            f"{last_line(error)} Install the same packages on all nodes."
        ) from error
    return answer

"""Faults of a cluster, each with one clear message; Ray itself is a fake here."""

import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from equipoise.exceptions import SettingError
from equipoise.experiments.running import ray_worker
from equipoise.experiments.running.environment import versions
from equipoise.experiments.running.ray_cluster import (
    AUTO,
    LOCAL,
    check_address,
    check_surroundings,
    connect,
    witness_file,
)
from equipoise.experiments.running.ray_worker import (
    Shipment,
    Site,
    Surroundings,
    look_around,
    train_cell,
)
from equipoise.experiments.running.train_cell import StudyTask
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.runs.package import pack, unpack
from equipoise.runs.store import RunStore

# What Ray 2.59 says, on several lines.
MISMATCH = (
    "Version mismatch: The cluster was started with:\n    Ray: 2.58.0\n    Python: 3.11.2\n"
    "This process on node 10.0.0.7 was started with:\n    Ray: 2.59.0\n    Python: 3.12.1\n"
)


def failing(error: Exception) -> Any:
    def init(*_arguments: object, **_settings: object) -> None:
        raise error

    return SimpleNamespace(init=init)


@pytest.mark.parametrize("address", ["nonsense", "ray://head:10001", ":6379", "head:port", "h:0"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SettingError, match=r"HOST:PORT or auto"):
        check_address(address)


def test_an_address_that_does_not_answer_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check_address(f"127.0.0.1:{port}")
    with pytest.raises(SettingError, match=r"nothing answers.*ray status"):
        connect(failing(AssertionError()), f"127.0.0.1:{port}", None)
    with pytest.raises(SettingError, match=r"nothing answers"):
        check_address("no-such-host.invalid:6379")


def test_other_versions_of_ray_or_python_are_named() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SettingError, match=r"2\.58\.0 Python: 3\.11\.2 .* 3\.12\.1.*ray status"):
        connect(failing(RuntimeError(MISMATCH)), AUTO, None)
    with pytest.raises(SettingError, match=r"this machine.*timed out.*--executor processes"):
        connect(failing(Exception("The node timed out.")), LOCAL, 2)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_differences_of_a_node_are_named_together() -> None:
    mine = versions()
    check_surroundings("here", Surroundings(versions=mine, sees_run=False))
    other = {**mine, "torch": "1.0", "numpy": "0.9"}
    with pytest.raises(SettingError, match=r"node far.*torch .*got 1\.0.*numpy .*got 0\.9") as e:
        check_surroundings("far", Surroundings(versions=other, sees_run=True))
    assert "monai" not in str(e.value)
    absent = Surroundings(versions=mine, sees_run=True, missing=(Path("/data/a"), Path("/data/b")))
    with pytest.raises(SettingError, match=r"node far .* 2 files .*/data/a"):
        check_surroundings("far", absent)


def test_a_node_sees_the_run_if_it_reads_the_witness(tmp_path: Path) -> None:
    with witness_file(tmp_path / "workspace", "token") as path:
        assert look_around(path, "token").sees_run
        assert not look_around(path, "another").sees_run
        absent = tmp_path / "absent"
        assert look_around(path, "token", [absent, path]).missing == (absent,)
    assert not look_around(path, "token").sees_run


class LostError(Exception):
    pass


class FakeRay(SimpleNamespace):
    """Objects are what they refer to; None was lost with its node."""

    exceptions = SimpleNamespace(ObjectLostError=LostError)

    def get(self, reference: Any) -> Any:
        if reference is None:
            raise LostError
        return reference


class Reference(str):
    __slots__ = ()

    def hex(self) -> str:
        return str(self)


def test_a_fit_that_was_lost_with_its_node_is_made_again(
    make_study: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    store, cell = RunStore(tmp_path / "run"), Cell("copies", "split-0", 0)
    monkeypatch.setattr(ray_worker, "_SITES", {})
    study = StudyTask(make_study(), store)
    site = Site(task=study, folder=None)
    ray_worker._SITES["study"] = site
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "weights").write_bytes(b"1")
    package, fits = train_cell(
        [Reference("study")],
        cell,
        [None, pack(tmp_path / "fit")],
        SimpleNamespace(add=SimpleNamespace(remote=lambda *_report: None)),
        n_threads=1,
        alone=True,
        send_fits=True,
    )
    assert (store.workspace / "weights").is_file()  # of the fit that was not lost
    store.accept(cell, package)
    assert store.has_finished(cell)
    unpack(fits, tmp_path / "sent")
    assert not (tmp_path / "sent").exists()  # the workspace is seen by all nodes


def test_a_blind_worker_opens_the_study_in_its_own_folder(
    make_study: Callable[..., Study], tmp_path: Path
) -> None:
    task = StudyTask(make_study(), RunStore(tmp_path / "run"))
    (tmp_path / "frozen").mkdir()
    (tmp_path / "frozen" / "features").write_bytes(b"1")
    prepared = pack(tmp_path, names=["frozen"])
    site = Shipment(task=task.with_images(), shared=False, prepared=prepared).open()
    assert (site.task.workspace / "frozen" / "features").is_file()
    assert tmp_path not in site.task.workspace.parents
    assert site.folder is not None
    site.folder.cleanup()

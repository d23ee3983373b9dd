from pathlib import Path

import psutil
import pytest

from equipoise.experiments.running import available_memory as module
from equipoise.experiments.running.available_memory import available_memory, container_memory


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_a_container_has_its_share_and_its_file_cache(tmp_path: Path) -> None:
    assert container_memory(tmp_path) is None
    stat = "anon 5\ninactive_file 300\nactive_file 9\n"
    write(tmp_path, memory__max="1000\n", memory__current="600\n", memory__stat=stat)
    assert container_memory(tmp_path) == 1000 - 600 + 300
    write(tmp_path, memory__max="max\n")
    assert container_memory(tmp_path) is None


def test_version_1_of_control_groups_is_read_too(tmp_path: Path) -> None:
    write(
        tmp_path / "memory",
        memory__limit_in_bytes="1000",
        memory__usage_in_bytes="600",
        memory__stat="total_inactive_file 100\n",
    )
    assert container_memory(tmp_path) == 500


def test_the_smaller_of_machine_and_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CGROUP", tmp_path)
    assert 0 < available_memory("cpu") <= psutil.virtual_memory().total
    write(tmp_path, memory__max="1000", memory__current="600", memory__stat="")
    assert available_memory("cpu") == 400

import hashlib
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from equipoise.exceptions import WeightsError
from equipoise.networks import weight_files
from equipoise.networks.weight_files import (
    digest_of,
    download,
    find_file,
    obtain_file,
    read_weights,
    weights_folder,
)


def stand_in(folder: Path, content: dict[str, Tensor]) -> tuple[str, str]:
    """Write a weights file; return its file:// address and the first digits of its SHA-256."""
    path = folder / "net.pth"
    torch.save(content, path)
    return path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest()[:8]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("EQUIPOISE_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_a_file_is_downloaded_once_and_checked(tmp_path: Path, cache: Path) -> None:
    url, digits = stand_in(tmp_path, {"a": torch.ones(2)})
    assert torch.equal(download(url, digits)["a"], torch.ones(2))
    Path(url.removeprefix("file://")).unlink()
    assert torch.equal(download(url, digits)["a"], torch.ones(2))  # from the cache


def test_a_wrong_checksum_is_refused(tmp_path: Path, cache: Path) -> None:
    url, _ = stand_in(tmp_path, {"a": torch.ones(2)})
    with pytest.raises(WeightsError, match=r"checksum.*deadbeef"):
        download(url, "deadbeef")
    assert not list((cache / "hub" / "checkpoints").glob("*"))


def test_without_a_connection_it_says_what_was_tried(cache: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/net-deadbeef.pth"
    match = rf"{url}: Connection refused\. .*EQUIPOISE_WEIGHTS.*pretrained="
    with pytest.raises(WeightsError, match=match):
        download(url, "deadbeef")


def test_a_damaged_file_is_named_for_deletion(cache: Path) -> None:
    (cache / "hub" / "checkpoints").mkdir(parents=True)
    (cache / "hub" / "checkpoints" / "net-deadbeef.pth").write_bytes(b"half a file")
    with pytest.raises(WeightsError, match=r"checksum.*delete .*net-deadbeef\.pth"):
        download("http://127.0.0.1/net-deadbeef.pth", "deadbeef")


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors"])
def test_damaged_and_absent_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=f"{name}, found none"):
        read_weights(tmp_path / name)
    (tmp_path / name).write_bytes(b"not tensors")
    with pytest.raises(WeightsError, match=f"Cannot read .*{name}"):
        read_weights(tmp_path / name)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2, 3], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="tensors by name"):
        read_weights(tmp_path / "list.pth")


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    torch.save({"a": nn.Linear(1, 1)}, tmp_path / "pickled.pth")
    with pytest.raises(WeightsError, match=r"pickled\.pth"):
        read_weights(tmp_path / "pickled.pth")


def test_the_folder_is_named_or_torchs_own(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights_folder() == cache / "hub" / "checkpoints"
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path))
    assert weights_folder() == tmp_path
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path / "typo"))
    with pytest.raises(WeightsError, match=r"typo.*EQUIPOISE_WEIGHTS"):
        weights_folder()


def test_a_file_is_found_by_its_official_name_and_as_a_conversion(folder: Path) -> None:
    url = "https://example.org/net-0123abcd.pth"
    assert find_file(url) is None
    save_file({"a": torch.ones(1)}, folder / "net-0123abcd.safetensors")
    converted = find_file(url)
    assert converted is not None
    assert converted.suffix == ".safetensors"
    assert torch.equal(download(url, "0123abcd")["a"], torch.ones(1))  # has another checksum
    (folder / "net-0123abcd.pth").write_bytes(b"x")
    assert find_file(url) == folder / "net-0123abcd.pth"
    with pytest.raises(WeightsError, match=r"0123abcd.*net-0123abcd\.pth"):
        obtain_file(url, "0123abcd")


def test_downloads_arrive_in_the_named_folder_with_progress(folder: Path, tmp_path: Path) -> None:
    url, digits = stand_in(tmp_path, {"a": torch.ones(2)})
    calls: list[tuple[int, int]] = []
    path = obtain_file(url, digits, progress=lambda done, total: calls.append((done, total)))
    assert path == folder / "net.pth"
    assert calls[-1] == (path.stat().st_size, path.stat().st_size)
    assert digest_of(path).startswith(digits)
    assert [file.name for file in folder.iterdir()] == ["net.pth"]


def test_without_a_published_checksum_that_of_the_first_download_counts(
    folder: Path, tmp_path: Path
) -> None:
    url, digits = stand_in(tmp_path, {"a": torch.ones(2)})
    path = obtain_file(url, "")
    record = folder / "net.pth.sha256"
    assert record.read_text().startswith(digits)
    obtain_file(url, "")
    path.write_bytes(b"changed")
    with pytest.raises(WeightsError, match=digits):
        obtain_file(url, "")


def test_a_file_that_is_too_large_is_not_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, digits = stand_in(tmp_path, {"a": torch.ones(2)})
    monkeypatch.setattr(weight_files, "MOST_BYTES", 100)
    with pytest.raises(WeightsError, match="more than"):
        obtain_file(url, digits)
    assert not list(folder.iterdir())
    with pytest.raises(WeightsError, match=r"at most .*net\.pth"):
        read_weights(tmp_path / "net.pth")


@pytest.mark.parametrize("key", ["model", "state_dict", "model_ema"])
def test_tensors_one_level_down_are_found(tmp_path: Path, key: str) -> None:
    torch.save({key: {"a": torch.ones(1)}, "epoch": 3}, tmp_path / "net.pth")
    assert torch.equal(read_weights(tmp_path / "net.pth")["a"], torch.ones(1))


def test_only_https_and_hub_addresses_are_fetched(folder: Path) -> None:
    with pytest.raises(WeightsError, match="https://"):
        obtain_file("ftp://example.org/net.pth", "")

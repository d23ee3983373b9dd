import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from equipoise.exceptions import WeightsError
from equipoise.networks.hub import check_pinned, download_from_hub, parse_hub
from equipoise.networks.weight_files import obtain_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ADDRESS = f"hf://owner/name@{COMMIT}/folder/model.safetensors"


def test_an_address_has_owner_name_commit_and_file() -> None:
    hub_file = parse_hub(ADDRESS)
    assert hub_file.repository == "owner/name"
    assert hub_file.revision == COMMIT
    assert hub_file.file == "folder/model.safetensors"
    assert hub_file.place == f"owner/name/{COMMIT}/folder/model.safetensors"
    check_pinned(ADDRESS)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://owner/name/model.safetensors", "REVISION"),
        ("hf://name@main/model.safetensors", "REVISION"),
        (f"hf://owner/name@{COMMIT}/../model.safetensors", "REVISION"),
        (f"hf://owner/name@{COMMIT}/model.bin", r"\.safetensors"),
        ("hf://owner/name@main/model.safetensors", "40 digits"),
        (f"hf://owner/name@{COMMIT[:12]}/model.safetensors", "40 digits"),
    ],
)
def test_what_is_not_pinned_or_may_contain_code_is_refused(address: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        check_pinned(address)


def test_a_file_comes_from_the_hub_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[tuple[str, str, str]] = []

    def hf_hub_download(repository: str, file: str, *, revision: str, local_dir: str) -> str:
        requests.append((repository, file, revision))
        path = Path(local_dir) / "model.safetensors"
        save_file({"a": torch.ones(1)}, path)
        return str(path)

    hub = ModuleType("huggingface_hub")
    vars(hub).update(hf_hub_download=hf_hub_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path))
    for _ in range(2):
        path = obtain_file(ADDRESS, "")
    assert path == tmp_path / "owner" / "name" / COMMIT / "folder" / "model.safetensors"
    assert requests == [("owner/name", "folder/model.safetensors", COMMIT)]
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "model.safetensors",
        "model.safetensors.sha256",
    ]


def test_without_its_package_or_a_connection_the_hub_is_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"equipoise\[hub\]"):
        download_from_hub(parse_hub(ADDRESS), tmp_path / "model.safetensors")

    def hf_hub_download(*_: object, **__: object) -> str:
        raise RuntimeError("offline mode is on\nand more")

    hub = ModuleType("huggingface_hub")
    vars(hub).update(hf_hub_download=hf_hub_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"offline mode is on\. Put the file at .*owner/name"):
        obtain_file(ADDRESS, "")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]

from pathlib import Path

import pytest

from equipoise.exceptions import SettingError, WeightsError
from equipoise.features.choosing import FOLDER, find_weights, make_extractor


def test_unknown_names_and_the_classifier_say_what_to_do() -> None:
    with pytest.raises(SettingError, match="'inception'"):
        make_extractor("inceptoin")
    with pytest.raises(SettingError, match="in_domain"):
        make_extractor("classifier")


def test_weights_for_an_extractor_without_weights_are_refused() -> None:
    with pytest.raises(SettingError, match=r"'pixels'.*file\.pth"):
        make_extractor("pixels", weights="file.pth")


def test_folder_of_weights_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    assert find_weights(("a.pth",)) is None
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert find_weights(("a.pth", "b.pth")) is None
    (tmp_path / "b.pth").touch()
    assert find_weights(("a.pth", "b.pth")) == tmp_path / "b.pth"
    monkeypatch.setenv(FOLDER, str(tmp_path / "none"))
    with pytest.raises(WeightsError, match=FOLDER):
        find_weights(("a.pth",))


def test_file_of_the_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mobilenet_v2-b0353104.safetensors").write_bytes(b"damaged")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(WeightsError, match=r"Cannot read .*mobilenet_v2-b0353104\.safetensors"):
        make_extractor("imagenet", device="cpu")

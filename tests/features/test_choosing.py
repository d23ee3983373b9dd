from pathlib import Path

import pytest
from safetensors.torch import save_file

from equipoise.exceptions import SettingError, WeightsError
from equipoise.features.choosing import choose_extractors, find_weights, make_extractor
from equipoise.networks.backbones.mobilenet import mobilenet_v2
from equipoise.networks.weight_files import FOLDER
from equipoise.training.chance import isolated_chance


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


SPAN = (0.0, 255.0)


def test_quality_is_measured_without_weights_and_with_what_the_caller_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    extractors, notes = choose_extractors(SPAN, device="cpu")
    assert [extractor.name for extractor in extractors] == ["random", "spectrum"]
    assert notes == ()
    own = [make_extractor(name, device="cpu", span=SPAN) for name in ("pixels", "random")]
    extractors, _ = choose_extractors(SPAN, device="cpu", also=own)
    assert [extractor.name for extractor in extractors] == ["random", "spectrum", "pixels"]


def test_pretrained_weights_at_hand_are_used_and_never_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert len(choose_extractors(SPAN, device="cpu")[0]) == 2
    with isolated_chance("choosing", "weights"):
        weights = mobilenet_v2(3, 1000, 224).state_dict()
    save_file(weights, tmp_path / "mobilenet_v2-b0353104.safetensors")
    extractors, notes = choose_extractors(SPAN, device="cpu")
    assert [extractor.name for extractor in extractors] == ["random", "spectrum", "imagenet"]
    assert notes == ()
    again, _ = choose_extractors(SPAN, device="cpu", also=extractors[2:])
    assert [extractor.name for extractor in again] == ["random", "spectrum", "imagenet"]


def test_damaged_weights_cost_nothing_but_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mobilenet_v2-b0353104.safetensors").write_bytes(b"damaged")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    extractors, (note,) = choose_extractors(SPAN, device="cpu")
    assert len(extractors) == 2
    assert "mobilenet_v2-b0353104.safetensors" in note

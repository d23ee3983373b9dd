"""A backbone record is all that a classifier needs to use a new network."""

import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.base import clone
from torch import Tensor, nn

from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.grad_cam import can_map, grad_cam, map_side
from equipoise.exceptions import DataError, SettingError, WeightsError
from equipoise.experiments.parameters import parameters
from equipoise.networks.backbone import Backbone
from equipoise.networks.backbones import BACKBONES, build, find_backbone, name_of
from equipoise.networks.vae import VAEDesign, build_vae
from equipoise.networks.weights import InputStatistics, Weights
from equipoise.resampling.vae.pretraining import VAEPretraining


class Toy(nn.Module):
    """Its head is not its last linear layer, and its parts are named differently."""

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        stem = nn.Conv2d(channels, 8, 3, stride=4, padding=1)
        self.body = nn.Sequential(stem, nn.BatchNorm2d(8), nn.ReLU())
        self.logits = nn.Linear(8, n_classes)
        self.unused = nn.Linear(1, 1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.logits(self.body(images).mean(dim=(2, 3)))
        return logits


def build_toy(channels: int, n_classes: int, side: int) -> nn.Module:
    return Toy(channels, n_classes)


def body_of(network: nn.Module) -> nn.Module:
    return network.get_submodule("body")


STATISTICS = InputStatistics((0.5, 0.5, 0.5), (0.25, 0.5, 1.0), side=96)
TOY = Backbone(
    name="toy",
    summary="A convolution.",
    source="This test",
    build=build_toy,
    trunk=body_of,
    head="logits",
    last_map="body.2",
    smallest_side=16,
    weights={
        "toy_data": Weights(
            url="https://example.org/toy-0123abcd.safetensors",
            sha256="0123abcd",
            license="MIT",
            statistics=STATISTICS,
            build=build_toy,
            head="logits.",
        )
    },
)


@pytest.fixture(autouse=True)
def _toy_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "toy", TOY)


def classifier(**settings: object) -> ImageClassifier:
    return ImageClassifier(network="toy", n_steps=8, batch_size=8, device="cpu", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", ["none", "crt", "tau_norm", "smote_features"])
def test_it_trains_predicts_explains_and_has_second_stages(toy: ImageDataset, stage: str) -> None:
    validation = (toy.images[::3], toy.labels[::3])
    fitted = classifier(second_stage=stage, loss="cross_entropy")
    fitted.fit(toy.images, toy.labels, validation=validation)
    scores = fitted.predict_proba(toy.images)
    features = torch.from_numpy(fitted.features(toy.images))
    assert features.shape == (52, 8)
    logits = fitted.head_(features).detach()
    np.testing.assert_allclose(scores, logits.softmax(dim=1).numpy(), atol=1e-6)
    assert fitted.head_ is fitted.network_.get_submodule("logits")
    assert map_side(fitted) == (4, 4)
    assert grad_cam(fitted, toy.images[:3], toy.labels[:3]).shape == (3, 16, 16)


def test_a_loss_with_cosines_and_a_saved_model(toy: ImageDataset, tmp_path: Path) -> None:
    fitted = classifier(loss="ldam").fit(toy.images, toy.labels)
    assert type(fitted.head_).__name__ == "CosineLinear"
    fitted.save(tmp_path / "model")
    loaded = ImageClassifier.load(tmp_path / "model", device="cpu")
    expected = fitted.predict_proba(toy.images)
    np.testing.assert_array_equal(loaded.predict_proba(toy.images), expected)


def test_it_encodes_for_a_vae_and_learns_from_one(toy: ImageDataset) -> None:
    design = VAEDesign(trunk="toy", size=32, channels=1, latent_channels=2, base_channels=2)
    with torch.no_grad():
        mean, _ = build_vae(design).encode(torch.rand(2, 1, 32, 32))
    assert mean.shape == (2, 2, 8, 8)
    pretraining = VAEPretraining(n_steps=1, batch_size=4, latent_channels=2, base_channels=2)
    fitted = classifier(pretraining=pretraining.set_params(device="cpu"))
    assert "pretraining" in fitted.fit(toy.images, toy.labels).histories_


def test_pretrained_weights_come_with_their_statistics(toy: ImageDataset, tmp_path: Path) -> None:
    torch.manual_seed(7)
    file = tmp_path / "toy.safetensors"
    source = Toy(3, 1000)
    save_file(source.state_dict(), file)
    network = TOY.build_pretrained(2, 16).eval()
    TOY.load_weights(network, file)
    gray = torch.rand(2, 1, 16, 16)
    deviation = torch.tensor([0.25, 0.5, 1.0]).view(1, 3, 1, 1)
    with torch.no_grad():
        expected = source.eval().body((gray - 0.5) / deviation).mean(dim=(2, 3))
        torch.testing.assert_close(TOY.features(network, gray), expected)
    fitted = classifier(pretrained=str(file)).fit(toy.images, toy.labels)
    assert fitted.head_ is fitted.network_.get_submodule("1.logits")
    assert grad_cam(fitted, toy.images[:3], toy.labels[:3]).shape == (3, 16, 16)


def test_a_saved_network_keeps_the_input_of_its_own_weights(
    toy: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gray = replace(
        TOY.weights["toy_data"],
        url="https://example.org/gray-4567cdef.safetensors",
        statistics=InputStatistics((0.1,), (0.5,), side=8),
    )
    monkeypatch.setitem(BACKBONES, "toy", replace(TOY, weights={**TOY.weights, "gray": gray}))
    file = tmp_path / "gray-4567cdef.safetensors"
    save_file(Toy(1, 1000).state_dict(), file)
    fitted = classifier(pretrained=str(file)).fit(toy.images, toy.labels)
    assert fitted.network_.get_parameter("1.body.0.weight").shape[1] == 1
    fitted.save(tmp_path / "model")
    file.unlink()
    loaded = ImageClassifier.load(tmp_path / "model", device="cpu")
    expected = fitted.predict_proba(toy.images)
    np.testing.assert_array_equal(loaded.predict_proba(toy.images), expected)


def test_a_head_of_that_kind_stays_and_another_comes_from_the_seed() -> None:
    network = build("small_cnn", channels=1, n_classes=3, side=16)
    small_cnn = find_backbone("small_cnn")
    first = small_cnn.head_of(network)
    small_cnn.replace_head(network, "linear")
    assert small_cnn.head_of(network) is first
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        network = build("small_cnn", channels=1, n_classes=3, side=16).double()
        small_cnn.replace_head(network, "cosine")
        weights.append(small_cnn.head_of(network).weight)
    assert weights[0].dtype == torch.float64
    assert torch.equal(*weights)


def test_gradients_reach_the_features_and_no_hook_is_left() -> None:
    network = Toy(1, 2)
    total = TOY.features(network, torch.rand(2, 1, 16, 16)).sum()
    (gradient,) = torch.autograd.grad(total, next(network.parameters()))
    assert gradient.abs().sum() > 0
    assert not network.logits._forward_pre_hooks


def test_a_record_without_a_last_map_has_no_grad_cam(toy: ImageDataset) -> None:
    fitted = ImageClassifier(network=replace(TOY, last_map=None), n_steps=1, device="cpu")
    fitted.fit(toy.images, toy.labels)
    assert not can_map(fitted)
    assert can_map(classifier())
    with pytest.raises(SettingError, match=r"'toy'.*Grad-CAM"):
        grad_cam(fitted, toy.images[:3], toy.labels[:3])


def test_a_record_is_a_network_and_is_stored_by_its_place(
    toy: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(BACKBONES, "toy")
    module = ModuleType("hospital")
    vars(module).update(TOY=TOY)
    monkeypatch.setitem(sys.modules, "hospital", module)
    monkeypatch.setattr(build_toy, "__module__", "hospital")
    by_record = ImageClassifier(network=TOY, n_steps=4, batch_size=8, device="cpu")
    fitted = clone(by_record).fit(toy.images, toy.labels, workspace=tmp_path)
    scores = fitted.predict_proba(toy.images)
    by_name = ImageClassifier(network="hospital:TOY", n_steps=4, batch_size=8, device="cpu")
    np.testing.assert_array_equal(
        by_name.fit(toy.images, toy.labels).predict_proba(toy.images), scores
    )
    fitted.save(tmp_path / "model")
    loaded = ImageClassifier.load(tmp_path / "model", device="cpu")
    assert loaded.network == "hospital:TOY"
    assert pickle.loads(pickle.dumps(by_record)).network is TOY
    assert parameters(by_record)["network"] == "hospital:TOY"
    np.testing.assert_array_equal(loaded.predict_proba(toy.images), scores)


def test_a_record_in_no_module_works_alone_and_is_not_stored(
    toy: ImageDataset, tmp_path: Path
) -> None:
    lost = replace(TOY, name="lost", head="logits", smallest_side=13)
    fitted = ImageClassifier(network=lost, n_steps=1, batch_size=8, device="cpu")
    fitted.fit(toy.images, toy.labels)
    with pytest.raises(SettingError, match=r"another process.*'lost'.*package\.module:RECORD"):
        fitted.save(tmp_path / "model")
    with pytest.raises(SettingError, match="'lost'"):
        fitted.fit(toy.images, toy.labels, workspace=tmp_path)
    with pytest.raises(SettingError, match="'lost'"):
        parameters(fitted)
    with pytest.raises(SettingError, match="'lost'"):
        pickle.dumps(clone(fitted))


def test_names_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    assert name_of("anything") == "anything"
    assert name_of(find_backbone("resnet18")) == "resnet18"
    assert name_of(find_backbone("monai:densenet169")) == "monai:densenet169"
    assert find_backbone(TOY) is TOY
    with pytest.raises(SettingError, match=r"Cannot import.*nowhere:TOY"):
        find_backbone("nowhere:TOY")
    with pytest.raises(SettingError, match="got nothing"):
        find_backbone("equipoise.networks.backbone:TOY")


def test_refuses_what_the_record_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"16 px.*toy.* 15 px.*--size 16"):
        TOY.check_side(15)
    even = replace(TOY, fits=lambda side: side % 16 == 0)
    even.check_side(48)
    with pytest.raises(DataError, match=r"'toy'.* 50 px.*--size 48"):
        even.check_side(50)
    with pytest.raises(SettingError, match=r"head named 'cosinus'.*'cosine'"):
        TOY.replace_head(Toy(1, 2), "cosinus")
    with pytest.raises(SettingError, match="'body', got Sequential"):
        Backbone(**{**vars(TOY), "head": "body"}).head_of(Toy(1, 2))
    with pytest.raises(SettingError, match="'small_cnn' has no pretrained"):
        find_backbone("small_cnn").check_weights("imagenet")
    with pytest.raises(WeightsError, match=r"absent\.pth"):
        TOY.check_weights(tmp_path / "absent.pth")


def test_a_file_without_a_checksum_is_read_before_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "toy.pth"
    torch.save({"strange": torch.zeros(2)}, path)
    for _ in range(2):  # what does not fit is not remembered as fitting
        with pytest.raises(WeightsError, match="do not fit"):
            find_backbone("mobilenet_v2").check_weights(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="Cannot read"):
        find_backbone("mobilenet_v2").check_weights(path)

"""VAEOversampler beyond the contracts: modes, cache, resume, record, settings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.arrays import Images, Labels
from equipoise.data.phantoms.datasets import chest_films
from equipoise.exceptions import CollapseError, DataError, DivergedError, SettingError
from equipoise.networks.vae import build_vae
from equipoise.resampling.vae import fit as vae_fit
from equipoise.resampling.vae import oversampler as vae_module
from equipoise.resampling.vae.oversampler import VAEOversampler
from equipoise.testing.oversamplers import toy_images
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.progress import listening

TINY: dict[str, Any] = {
    "trunk": "small_cnn",
    "latent_channels": 4,
    "base_channels": 2,
    "n_steps": 4,
    "batch_size": 4,
    "learning_rate": 0.01,
    "device": "cpu",
}


def tiny(**changes: Any) -> VAEOversampler:
    return VAEOversampler(**{**TINY, **changes})


@pytest.fixture
def toy() -> tuple[Images, Labels]:
    return toy_images((20, 10, 14))


@pytest.mark.parametrize("mode", ["interpolate", "class_gaussian", "prior", "smote"])
def test_every_mode_meets_the_counts(
    toy: tuple[Images, Labels], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(
        vae_module, "check_diversity", lambda *_: None
    )  # means hardly differ after four steps
    new_images, new_labels = tiny(mode=mode).fit_resample(*toy)
    assert np.bincount(new_labels).tolist() == [20, 20, 20]
    assert new_images.dtype == np.uint8


def test_temperature_0_gives_reconstructions_of_images_of_the_class(
    toy: tuple[Images, Labels],
) -> None:
    images, labels = toy
    fitted = (
        tiny(n_steps=1, sampling_strategy={1: 20}).fit(images, labels).set_params(temperature=0.0)
    )
    generated = fitted.generate(np.array([2, 1, 1]))
    sources = fitted.sources_[:, 0]
    assert labels[sources].tolist() == [2, 1, 1]
    np.testing.assert_array_equal(generated, fitted.reconstruct(images)[sources])


def test_sources_are_rows_in_the_order_of_the_labels_asked_for(toy: tuple[Images, Labels]) -> None:
    images, labels = toy
    fitted = tiny().fit(images, labels)
    requested_labels = np.resize([2, 1], 27)
    fitted.generate(requested_labels)
    assert fitted.sources_.shape == (27, 1)
    np.testing.assert_array_equal(labels[fitted.sources_[:, 0]], requested_labels)
    for label in (1, 2):
        counts = np.bincount(fitted.sources_[requested_labels == label, 0], minlength=len(labels))[
            labels == label
        ]
        assert counts.max() - counts.min() <= 1
    fitted.set_params(mode="interpolate").generate(requested_labels)
    assert fitted.sources_.shape == (27, 2)
    assert (labels[fitted.sources_] == requested_labels[:, None]).all()


def test_the_last_images_of_a_chunk_do_not_depend_on_how_many_are_asked_for(
    toy: tuple[Images, Labels],
) -> None:
    fitted = tiny().fit(*toy)
    many = fitted.generate(np.full(40, 1), random_state=3)
    np.testing.assert_array_equal(fitted.generate(np.full(3, 1), random_state=3), many[:3])


def test_a_saved_vae_knows_its_sources_and_reconstructs(
    toy: tuple[Images, Labels], tmp_path: Path
) -> None:
    fitted = tiny().fit(*toy)
    fitted.save(tmp_path / "vae")
    loaded = VAEOversampler.load(tmp_path / "vae")
    for oversampler in (fitted, loaded):
        oversampler.generate(np.full(5, 1))
    np.testing.assert_array_equal(loaded.sources_, fitted.sources_)
    np.testing.assert_array_equal(loaded.reconstruct(toy[0]), fitted.reconstruct(toy[0]))
    assert (loaded.history_.rows, loaded.diversity_) == (fitted.history_.rows, fitted.diversity_)


def test_modes_and_doses_share_one_fit(
    toy: tuple[Images, Labels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tiny().fit(*toy, workspace=tmp_path)
    monkeypatch.setattr(vae_fit, "train", _refuse)
    second = tiny(mode="class_gaussian", sampling_strategy={1: 12}).fit(*toy, workspace=tmp_path)
    np.testing.assert_array_equal(second.reconstruct(toy[0]), first.reconstruct(toy[0]))
    assert second.history_.rows == first.history_.rows


@pytest.mark.parametrize(
    "change",
    [
        {"random_state": 1},
        {"beta": 0.5},
        {"latent_channels": 5},
        {"reconstruction": "mse"},
        {"augmentation": "film"},
    ],
)
def test_other_settings_are_another_fit(
    toy: tuple[Images, Labels],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
) -> None:
    tiny(n_steps=1).fit(*toy, workspace=tmp_path)
    monkeypatch.setattr(vae_fit, "train", _refuse)
    with pytest.raises(AssertionError, match="trained although"):
        tiny(n_steps=1, **change).fit(*toy, workspace=tmp_path)


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("trained although the finished fit is there")


class _Stop(BaseException):
    pass


def test_a_fit_killed_while_beta_grows_ends_in_the_same_weights(
    toy: tuple[Images, Labels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoint, "due", lambda _self: True)
    monkeypatch.setattr(vae_fit, "WARMUP", 0.8)
    whole = tiny(n_steps=12).fit(*toy)

    def stop(_name: str, step: int, _n_steps: int) -> None:
        if step == 11:
            raise _Stop

    with listening(stop), pytest.raises(_Stop):
        tiny(n_steps=12).fit(*toy, workspace=tmp_path)
    continued = tiny(n_steps=12).fit(*toy, workspace=tmp_path)
    assert continued.history_.rows == whole.history_.rows
    for name, tensor in whole.network_.state_dict().items():
        assert torch.equal(tensor, continued.network_.state_dict()[name]), name


def test_the_record_has_losses_errors_and_active_cells(toy: tuple[Images, Labels]) -> None:
    history = tiny(n_steps=11).fit(*toy, validation=toy_images((4, 4, 4), seed=5)).history_
    for name in ("loss", "reconstruction", "kl_per_cell"):
        assert [step for step, _ in history.column(name)] == [10, 11]
    for name in ("training_error", "validation_error"):
        assert [step for step, _ in history.column(name)] == [10]
    for name in ("training_active", "validation_active"):
        assert all(0 <= share <= 1 for _, share in history.column(name))
    assert not tiny(n_steps=10).fit(*toy).history_.column("validation_error")


def test_float_images_keep_the_range_of_the_training_images() -> None:
    images, labels = toy_images(dtype="float32")
    images = images * 40 - 7
    new = tiny().fit_resample(images, labels)[0]
    assert images.min() <= new.min() <= new.max() <= images.max()


def test_images_all_alike_are_refused_with_advice(
    toy: tuple[Images, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vae_module, "relative_diversity", lambda _generated, _real: 0.01)
    with pytest.raises(CollapseError, match=r"class 1.* 1\.0%.*n_steps \(now 4\)"):
        tiny().fit(*toy)


def test_a_loss_that_is_not_finite_ends_the_fit_with_advice(
    toy: tuple[Images, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(design: Any) -> Any:
        network = build_vae(design)
        next(network.parameters()).data.fill_(float("nan"))
        return network

    monkeypatch.setattr(vae_fit, "build_vae", broken)
    with pytest.raises(
        DivergedError, match=r"loss .*nan at step 1\. .*learning_rate \(now 0\.01\)"
    ):
        tiny().fit(*toy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "posterier"}, "mode named 'posterier'.* 'posterior'"),
        ({"trunk": "small_cn"}, "network named 'small_cn'"),
        ({"reconstruction": "l1"}, "reconstruction named 'l1'"),
        ({"augmentation": "flip"}, "augmentation named 'flip'"),
        ({"precision": "16"}, "precision named '16'"),
        ({"device": "gpu7"}, "device named 'gpu7'"),
        ({"temperature": -1.0}, "temperature .*0, got -1.0"),
        ({"beta": -1.0}, "beta .*0, got -1.0"),
        ({"n_steps": 0}, "n_steps .*1, got 0"),
        ({"batch_size": 1}, "batch_size .*2, got 1"),
        ({"latent_channels": 0}, "latent_channels .*1"),
        ({"learning_rate": 0.0}, "learning_rate .*0 .*1, got 0.0"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    toy: tuple[Images, Labels], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        tiny(**change).fit(*toy)


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="Expected square images"):
        tiny().fit(np.zeros((44, 1, 8, 10), dtype=np.uint8), toy_images()[1])
    with pytest.raises(SettingError, match=r"cannot.* 31 px"):
        tiny().check_settings(31)


def test_bfloat16_trains(toy: tuple[Images, Labels]) -> None:
    fitted = tiny(precision="bf16-mixed").fit(*toy)
    assert {tensor.dtype for tensor in fitted.network_.parameters()} == {torch.float32}
    assert fitted.generate(np.array([1])).shape == (1, 1, 8, 8)


@pytest.mark.slow
def test_eight_images_are_learned_by_heart() -> None:
    images, labels = chest_films((5, 3), size=32).images, np.repeat([0, 1], (5, 3))
    settings = {"latent_channels": 16, "base_channels": 4, "batch_size": 8, "n_steps": 300}
    history = tiny(**settings, reconstruction="mse").fit(images, labels).history_
    first, *_, last = (value for _, value in history.column("reconstruction"))
    assert last < 0.2 * first

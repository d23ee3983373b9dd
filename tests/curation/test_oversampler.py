from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from torch import Tensor

from equipoise.arrays import Images, LabeledImages, Labels
from equipoise.curation.oversampler import JUDGE, CuratedOversampler
from equipoise.estimators.classifier import ImageClassifier
from equipoise.exceptions import DataError, SettingError
from equipoise.image_rows import ImageSource
from equipoise.resampling.base import Oversampler
from equipoise.resampling.gan.presets import from_preset
from equipoise.resampling.loading import load_oversampler
from equipoise.testing.oversamplers import toy_images
from equipoise.training.progress import listening

FLAT, COPY, OTHER, GOOD = range(4)
SEED = 5


class Marked(Oversampler):
    """Generates flat images, copies, images of the other class, and good images at random."""

    def _fit(
        self,
        X: ImageSource,
        codes: Labels,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> None:
        self.images = [X[codes == code] for code in range(2)]

    def _generate(self, codes: Labels, seed: int) -> Images:
        rng = np.random.default_rng(seed)
        return np.stack([self._image(int(code), int(rng.integers(4)), rng) for code in codes])

    def _image(self, code: int, kind: int, rng: np.random.Generator) -> Images:
        original: Images = rng.choice(self.images[code])
        if kind == FLAT:
            return np.full_like(original, 120 + rng.integers(5))
        if kind == COPY:
            return original
        brightness = 0.4 + 0.3 * (code if kind == GOOD else 1 - code)
        noise = 255 * rng.normal(brightness, 0.15, size=original.shape)
        return np.clip(noise, 0, 255).astype(np.uint8)

    def _state(self) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        return {}, {}

    def _set_state(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        raise NotImplementedError


def judge(**changes: Any) -> ImageClassifier:
    lengths = {"n_steps": 15, "batch_size": 16, "learning_rate": 5e-3}
    fixed = {"batch_sampler": "balanced", "augmentation": "none", "device": "cpu"}
    return ImageClassifier(**{**lengths, **fixed, **changes})


@pytest.fixture(scope="module")
def images() -> tuple[Images, Labels]:
    """Noise of 12 px, the classes far apart in brightness."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("equipoise.testing.oversamplers.SIDE", 12)
        return toy_images((60, 30), spacing=0.3)


@pytest.fixture(scope="module")
def curated(images: tuple[Images, Labels]) -> tuple[CuratedOversampler, Images]:
    oversampler = CuratedOversampler(
        Marked(),
        filters=("sanity", "agreement", "memorization"),
        judge=judge(),
        rounds=12,
        random_state=SEED,
    )
    return oversampler, oversampler.fit_resample(*images)[0][len(images[0]) :]


def test_only_good_images_are_left(
    images: tuple[Images, Labels], curated: tuple[CuratedOversampler, Images]
) -> None:
    real, labels = images
    oversampler, new = curated
    assert len(new) == 30
    assert oversampler.filled_ == {1: 0}
    assert new.std(axis=(1, 2, 3)).min() > 20, "a flat image was left"
    for image in new:
        assert not (real == image).all(axis=(1, 2, 3)).any(), "a copy was left"
    brightness = new.mean(axis=(1, 2, 3))
    other_class = real[labels == 0].mean(axis=(1, 2, 3))
    assert brightness.min() > other_class.max(), "an image of the other class was left"


def test_each_filter_reports_what_it_dropped(curated: tuple[CuratedOversampler, Images]) -> None:
    """Sanity, agreement and memorization each drop one of four kinds, except for a few images."""
    counts = curated[0].curation_
    assert counts.keys() == {1}
    assert list(counts[1]) == ["sanity", "agreement", "memorization"]
    (n, n_sane), (n_tested, n_agreeing), (n_compared, n_kept) = counts[1].values()
    assert n_sane == n_tested
    assert n_agreeing == n_compared
    assert n_sane / n == pytest.approx(3 / 4, abs=0.1)
    assert n_agreeing / n == pytest.approx(2 / 4, abs=0.1)
    assert n_kept / n == pytest.approx(1 / 4, abs=0.1)
    assert n_kept >= 30


def test_a_generator_without_good_images_fills_up_and_reports_it(
    images: tuple[Images, Labels],
) -> None:
    strict = CuratedOversampler(
        Marked(), filters=("agreement",), tau=0.999999, rounds=1, judge=judge(n_steps=1)
    )
    new = strict.fit_resample(*images)[0]
    assert len(new) == 120
    assert strict.filled_ == {1: 30}
    assert strict.curation_ == {1: {"agreement": (60, 0)}}


def test_the_uncurated_arm_and_other_filters_share_the_fit(
    images: tuple[Images, Labels], tmp_path: Path
) -> None:
    steps: list[str] = []
    gan = from_preset(
        "dcgan", n_steps=3, batch_size=6, base_channels=4, latent_size=40, device="cpu"
    )
    with listening(lambda name, _step, _n_steps: steps.append(name)):
        clone(gan).fit_resample(*images, workspace=tmp_path)
        assert set(steps) == {"class 1"}
        steps.clear()
        curated = CuratedOversampler(gan, judge=judge(n_steps=3), rounds=1)
        curated.fit_resample(*images, workspace=tmp_path)
        assert steps == ["classifier"] * 3, "the generator was trained again"
        steps.clear()
        CuratedOversampler(gan, judge=judge(n_steps=3), filters=("sanity",), rounds=1).fit_resample(
            *images, workspace=tmp_path
        )
        assert not steps, "the judge was trained again"
    assert curated.history_.keys() == {"class 1", JUDGE}
    assert curated.diversity_ == curated.generator_.diversity_
    assert len(curated.history_[JUDGE].rows) >= 1


def test_the_judge_is_loaded_with_the_generator(
    images: tuple[Images, Labels], tmp_path: Path
) -> None:
    gan = from_preset(
        "dcgan", n_steps=3, batch_size=6, base_channels=4, latent_size=40, device="cpu"
    )
    fitted = CuratedOversampler(
        gan, judge=judge(n_steps=3), tau=0.4, filters=("rejection", "agreement"), rounds=2
    )
    fitted.fit_resample(*images)
    fitted.save(tmp_path / "model")
    loaded = load_oversampler(tmp_path / "model")
    assert isinstance(loaded, CuratedOversampler)
    assert (loaded.tau, loaded.rounds) == (0.4, 2)
    assert tuple(loaded.filters) == ("rejection", "agreement")
    assert loaded.curation_ == fitted.curation_
    assert loaded.filled_ == fitted.filled_
    with pytest.raises(DataError, match=r"class 0.*sampling_strategy"):
        loaded.generate(np.array([0]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"filters": ("sanety",)}, "'sanity'"),
        ({"filters": ()}, r"filters.*\[\]"),
        ({"filters": ("sanity", "sanity")}, r"filters.*'sanity', 'sanity'"),
        ({"oversupply": 0.5}, r"oversupply.* 1, got 0\.5"),
        ({"rounds": 0}, r"rounds.* 1, got .* 0"),
        ({"tau": 1.0}, r"tau.* 1\.0"),
        ({"judge": ImageClassifier(network="smal_cnn")}, "small_cnn"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        CuratedOversampler(Marked(), **settings).check_settings(32)


def test_the_judge_is_balanced_unless_it_is_given() -> None:
    plain = CuratedOversampler(from_preset("dcgan", device="cpu"), random_state=3)._classifier()
    assert (plain.batch_sampler, plain.device, plain.random_state) == ("balanced", "cpu", 3)

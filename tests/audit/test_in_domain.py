import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from equipoise.audit.in_domain import in_domain, train_in_domain
from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.exceptions import DataError
from equipoise.features.base import extract
from equipoise.training.progress import listening


@pytest.fixture(scope="module")
def fitted() -> ImageClassifier:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(12, 1, 16, 16), dtype=np.uint8)
    return ImageClassifier(n_steps=3, batch_size=4, device="cpu").fit(images, np.arange(12) % 2)


def test_features_are_what_the_last_layer_sees(fitted: ImageClassifier, toy: ImageDataset) -> None:
    extractor = in_domain(fitted)
    features = extract(toy.images, extractor)
    head = fitted.head_
    logits = features @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, fitted.predict_proba(toy.images), atol=1e-5)
    assert extractor.dimension == features.shape[1] == head.in_features


def test_saved_classifier_has_the_same_digest(
    fitted: ImageClassifier, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("saved") / "classifier"
    fitted.save(folder)
    assert in_domain(ImageClassifier.load(folder, device="cpu")).digest == in_domain(fitted).digest


def test_other_weights_have_another_digest(fitted: ImageClassifier, toy: ImageDataset) -> None:
    other = ImageClassifier(n_steps=3, batch_size=4, device="cpu", random_state=1).fit(
        toy.images, toy.labels
    )
    assert in_domain(other).digest != in_domain(fitted).digest


def test_trained_features_tell_the_classes_apart(toy: ImageDataset) -> None:
    heard = list[int]()
    with listening(lambda _name, step, _n: heard.append(step)):
        extractor = train_in_domain(toy.images, toy.labels, seed=0, n_steps=20, device="cpu")
    assert max(heard) == 20
    features = extract(toy.images, extractor)
    centers = np.stack([features[toy.labels == k].mean(axis=0) for k in (0, 1)])
    nearest = np.linalg.norm(features[:, None] - centers, axis=2).argmin(axis=1)
    assert (nearest == toy.labels).mean() > 0.9


def test_unfitted_and_one_class_are_refused(toy: ImageDataset) -> None:
    with pytest.raises(NotFittedError):
        in_domain(ImageClassifier())
    with pytest.raises(DataError, match="at least 2 classes"):
        train_in_domain(toy.images, np.zeros_like(toy.labels), seed=0)


def test_images_of_another_kind_are_refused(fitted: ImageClassifier) -> None:
    extractor = in_domain(fitted)
    assert extractor(np.zeros((0, 1, 16, 16), dtype=np.uint8)).shape == (0, extractor.dimension)
    with pytest.raises(DataError, match=r"1, 16, 16.*1, 17, 17"):
        extractor(np.zeros((2, 1, 17, 17), dtype=np.uint8))

"""scikit-learn's own checks of estimators, on rows of numbers that become images.

`check_estimator` fits tables (n, d). Here each row is filled up with zeros to a gray image, so that
all checks run; those of `EXPECTED_FAILURES` cannot hold, for the reason beside them.
"""

from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from equipoise.arrays import Scores
from equipoise.estimators.classifier import ImageClassifier

SIDE = 12  # px, the least of small_cnn
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "A weight of 2 is not the same as an image twice: batches draw rows, so that the images of "
        "a batch, and the order of all draws, are others."
    ),
}


class RowsAsImages(ImageClassifier):
    """An `ImageClassifier` of tables (n, d)."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # type: ignore[override]
        rows = validate_data(self, X, dtype=np.float32)
        return super().fit(images_of(rows), y, sample_weight=sample_weight)

    def predict_proba(self, X: Any) -> Scores:
        check_is_fitted(self, "network_")
        rows = validate_data(self, X, dtype=np.float32, reset=False)
        return super().predict_proba(images_of(rows))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.classifier_tags.poor_score = True  # so few steps
        return tags


def images_of(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    side = max(SIDE, int(np.ceil(np.sqrt(rows.shape[1]))))
    images = np.zeros((len(rows), side * side), dtype=np.float32)
    images[:, : rows.shape[1]] = rows
    return images.reshape(-1, 1, side, side)


@pytest.mark.filterwarnings("ignore")  # the checks warn of what they do
@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [RowsAsImages(n_steps=1, batch_size=4, augmentation="none", device="cpu")],
    expected_failed_checks=lambda _estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_check(estimator: Any, check: Any) -> None:
    check(estimator)

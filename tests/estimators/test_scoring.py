import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from torch import nn

from equipoise.estimators import scoring
from equipoise.estimators.scoring import logits_of, probabilities, validation_scores
from equipoise.exceptions import DivergedError
from equipoise.losses.cross_entropy import CrossEntropy


def random_case(k: int) -> tuple[torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(size=(60, k)), dtype=torch.float32), rng.integers(0, k, 60)


@pytest.mark.parametrize("k", [2, 4])
def test_scores_equal_those_of_scikit_learn(k: int) -> None:
    logits, codes = random_case(k)
    scores = validation_scores(logits, codes, CrossEntropy())
    y_score = probabilities(logits, CrossEntropy())
    predicted = y_score.argmax(axis=1)
    assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(codes, predicted))
    one_vs_rest = np.mean([roc_auc_score(codes == c, y_score[:, c]) for c in range(k)])
    assert scores["auroc"] == pytest.approx(one_vs_rest)
    assert scores["accuracy"] == pytest.approx(accuracy_score(codes, predicted))
    assert scores["loss"] == pytest.approx(-np.log(y_score[np.arange(60), codes]).mean(), rel=1e-5)


def test_a_class_that_does_not_occur_is_left_out() -> None:
    logits, codes = random_case(4)
    rows = codes != 2
    scores = validation_scores(logits[rows], codes[rows], CrossEntropy())
    right = logits[rows].argmax(dim=1).numpy() == codes[rows]
    recalls = [right[codes[rows] == c].mean() for c in (0, 1, 3)]
    assert scores["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    y_score = probabilities(logits, CrossEntropy())[rows]
    one_vs_rest = [roc_auc_score(codes[rows] == c, y_score[:, c]) for c in (0, 1, 3)]
    assert scores["auroc"] == pytest.approx(np.mean(one_vs_rest))


def test_one_class_cannot_be_ranked() -> None:
    logits, codes = random_case(3)
    scores = validation_scores(logits[codes == 1], codes[codes == 1], CrossEntropy())
    assert "auroc" not in scores
    assert np.isfinite(list(scores.values())).all()


def test_nan_is_divergence() -> None:
    with pytest.raises(DivergedError, match="not finite"):
        validation_scores(torch.tensor([[0.0, torch.nan]]), np.array([0]), CrossEntropy())


class Counting(nn.Module):
    """Records the size of every batch; fails in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert not self.training
        self.sizes.append(len(images))
        out: torch.Tensor = self.layer(images.flatten(1))
        return out


def test_images_pass_in_chunks_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Counting().train()
    images = np.random.default_rng(0).integers(0, 255, (10, 1, 2, 2)).astype(np.uint8)
    whole = logits_of(network, images, (0.0, 255.0))
    monkeypatch.setattr(scoring, "CHUNK", 4 * 4)
    torch.testing.assert_close(logits_of(network, images, (0.0, 255.0)), whole)
    assert network.sizes == [10, 4, 4, 2]
    assert network.training


def test_extreme_logits_still_give_probabilities() -> None:
    scores = probabilities(torch.tensor([[1e4, -1e4], [0.0, 0.0]]), CrossEntropy())
    np.testing.assert_array_equal(scores, [[1.0, 0.0], [0.5, 0.5]])

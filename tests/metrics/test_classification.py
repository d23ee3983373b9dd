"""Golden numbers of published tables, and the rules of the edge cases."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS, PER_CLASS


def from_confusion(counts: list[list[int]]) -> dict[str, NDArray[np.int64] | NDArray[np.float64]]:
    """Build certain predictions with this confusion matrix (rows are the truth)."""
    k = len(counts)
    y_true = np.repeat(np.arange(k), [sum(row) for row in counts])
    y_pred = np.concatenate([np.repeat(np.arange(k), row) for row in counts])
    return {"y_true": y_true, "y_score": np.eye(k)[y_pred]}


def value(name: str, counts: list[list[int]], positive: int = 0) -> float:
    return METRICS[name].function(**from_confusion(counts), positive=positive)  # type: ignore[arg-type]


# Mukhedkar and Kim, Tables 2 to 4, as confusion matrices; malignant (positive), benign.
S4 = {
    "real": [[288, 12], [122, 238]],
    "+120": [[283, 17], [98, 262]],
    "+480": [[258, 42], [66, 294]],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rare_precision", 0.7024),
        ("rare_recall", 0.9600),
        ("rare_specificity", 0.6611),
        ("rare_f1", 0.8113),
        ("accuracy", 0.7970),
        ("balanced_accuracy", 0.8106),
        ("mcc", 0.6376),
        ("g_mean", 0.7967),
    ],
)
def test_golden_numbers_of_a_table_of_paper_s4(name: str, expected: float) -> None:
    assert_allclose(value(name, S4["real"]), expected, atol=5e-5)


@pytest.mark.parametrize(
    ("arm", "class_code", "expected"),
    [
        ("real", 0, (0.70, 0.96, 0.81)),
        ("real", 1, (0.95, 0.66, 0.78)),
        ("+120", 0, (0.74, 0.94, 0.83)),
        ("+120", 1, (0.94, 0.73, 0.82)),
        ("+480", 0, (0.80, 0.86, 0.83)),
        ("+480", 1, (0.88, 0.82, 0.84)),
    ],
)
def test_table_of_paper_s4(arm: str, class_code: int, expected: tuple[float, float, float]) -> None:
    p = Predictions(**from_confusion(S4[arm]), positive=0)  # type: ignore[arg-type]
    row = [PER_CLASS[name](p)[0, class_code] for name in ("precision", "recall", "f1")]
    # Printed with two decimals, some of them truncated.
    assert_allclose(row, expected, atol=0.005 + 1e-3)


@pytest.mark.parametrize(("arm", "expected"), [("real", 0.811), ("+120", 0.836), ("+480", 0.838)])
def test_balanced_accuracies_of_paper_s4(arm: str, expected: float) -> None:
    assert_allclose(value("balanced_accuracy", S4[arm]), expected, atol=1e-3)


def test_rows_of_the_confusion_matrix_are_the_truth() -> None:
    p = Predictions(**from_confusion(S4["real"]), positive=0)  # type: ignore[arg-type]
    assert p.confusion[0].tolist() == S4["real"]


@pytest.mark.parametrize("k", [2, 3, 7])
def test_a_constant_answer_has_balanced_accuracy_one_in_k(k: int) -> None:
    constant = [[5 + c, *[0] * (k - 1)] for c in range(k)]
    assert_allclose(value("balanced_accuracy", constant), 1 / k)
    assert value("mcc", constant) == 0
    assert value("g_mean", constant) == 0
    assert value("worst_class_recall", constant) == 0


def test_precision_is_zero_where_nothing_was_called_positive() -> None:
    never = [[0, 4], [0, 9]]
    assert value("rare_precision", never) == 0
    assert value("rare_f1", never) == 0


NEEDS_EVERY_CLASS = sorted(
    METRICS.keys() - {"accuracy", "brier", "ece", "rare_npv", "rare_specificity"}
)


@pytest.mark.parametrize("name", NEEDS_EVERY_CLASS)
def test_an_absent_positive_class_gives_nan_never_zero(name: str) -> None:
    assert np.isnan(value(name, [[0, 0], [3, 9]]))


@pytest.mark.parametrize(
    "name", ["auroc", "macro_auprc", "balanced_accuracy", "macro_f1", "worst_class_recall"]
)
def test_a_mean_over_classes_is_nan_where_any_class_is_absent(name: str) -> None:
    assert np.isnan(value(name, [[5, 1, 0], [1, 5, 0], [0, 0, 0]]))


def test_metrics_of_the_positive_class_do_not_need_the_other_classes() -> None:
    counts = [[5, 1, 0], [1, 5, 0], [0, 0, 0]]
    assert_allclose(value("rare_recall", counts), 5 / 6)
    assert_allclose(value("rare_precision", counts), 5 / 6)
    assert_allclose(value("auprc", counts), 5 / 6 * 5 / 6 + 1 / 6 * 6 / 12)


def test_specificity_needs_images_of_other_classes() -> None:
    assert np.isnan(value("rare_specificity", [[5, 1], [0, 0]]))
    assert_allclose(value("rare_specificity", [[0, 0], [3, 9]]), 0.75)


def test_npv_needs_images_of_other_classes_and_is_zero_where_all_was_called_positive() -> None:
    assert np.isnan(value("rare_npv", [[5, 1], [0, 0]]))
    assert_allclose(value("rare_npv", [[0, 0], [3, 9]]), 1.0)
    assert value("rare_npv", [[5, 0], [4, 0]]) == 0


def test_npv_of_the_positive_class_takes_the_others_together() -> None:
    # 3 missed; 5 + 3 + 4 + 8 correctly not called the first.
    counts = [[5, 2, 1], [1, 5, 3], [2, 4, 8]]
    assert_allclose(value("rare_npv", counts), 20 / 23)


def test_ties_between_classes_go_to_the_first() -> None:
    tie = {"y_true": np.array([0, 1]), "y_score": np.full((2, 2), 0.5)}
    assert METRICS["accuracy"].function(**tie, positive=0) == 0.5
    assert METRICS["rare_recall"].function(**tie, positive=0) == 1.0


# Sun and Li, Figures 7 and 8: TP, FN, FP, TN with pneumonia positive, reconstructed; the metrics
# of these counts (precision, sensitivity, specificity, F1, accuracy, balanced accuracy); what they
# print as precision, recall, specificity and F1 (two rows with misprints are repaired).
S2 = {
    "scratch": (
        (380, 10, 107, 127),
        (0.780, 0.974, 0.543, 0.867, 0.812, 0.759),
        (0.543, 0.927, 0.780, 0.685),
    ),
    "pretrained": (
        (358, 32, 63, 171),
        (0.850, 0.918, 0.731, 0.883, 0.848, 0.824),
        (0.730, 0.842, 0.850, 0.782),
    ),
    "weights": (
        (356, 34, 33, 201),
        (0.915, 0.913, 0.859, 0.914, 0.893, 0.886),
        (0.859, 0.855, 0.915, 0.857),
    ),
    "under": (
        (364, 26, 68, 166),
        (0.843, 0.933, 0.709, 0.886, 0.849, 0.821),
        (0.709, 0.865, 0.843, 0.779),
    ),
    "over": (
        (353, 37, 32, 202),
        (0.917, 0.905, 0.863, 0.911, 0.889, 0.884),
        (0.863, 0.845, 0.917, 0.854),
    ),
    "DCGAN": (
        (371, 19, 42, 192),
        (0.898, 0.951, 0.821, 0.924, 0.902, 0.886),
        (0.821, 0.910, 0.898, 0.863),
    ),
    "alpha .50": (
        (355, 35, 25, 209),
        (0.934, 0.910, 0.893, 0.922, 0.904, 0.902),
        (0.893, 0.857, 0.934, 0.874),
    ),
    "alpha .25": (
        (299, 91, 16, 218),
        (0.949, 0.767, 0.932, 0.848, 0.829, 0.849),
        (0.932, 0.706, 0.949, 0.803),
    ),
    "alpha .75": (
        (369, 21, 42, 192),
        (0.898, 0.946, 0.821, 0.921, 0.899, 0.883),
        (0.821, 0.901, 0.898, 0.859),
    ),
}
COLUMNS = ("rare_precision", "rare_recall", "rare_specificity", "rare_f1")


@pytest.mark.parametrize("arm", S2)
def test_second_table_of_paper_s2(arm: str) -> None:
    (tp, fn, fp, tn), expected, _ = S2[arm]
    row = [
        value(name, [[tp, fn], [fp, tn]]) for name in (*COLUMNS, "accuracy", "balanced_accuracy")
    ]
    assert_allclose(row, expected, atol=0.0005 + 1e-9)  # printed with three decimals


@pytest.mark.parametrize("arm", S2)
def test_the_recall_that_paper_s2_prints_is_the_npv(arm: str) -> None:
    (tp, fn, fp, tn), _, printed = S2[arm]
    assert_allclose(value("rare_npv", [[tp, fn], [fp, tn]]), printed[1], atol=0.0008)


@pytest.mark.parametrize("arm", S2)
def test_the_columns_of_paper_s2_have_truth_and_prediction_swapped_and_normal_positive(
    arm: str,
) -> None:
    (tp, fn, fp, tn), _, printed = S2[arm]
    transposed = [[tp, fp], [fn, tn]]
    assert_allclose([value(name, transposed, positive=1) for name in COLUMNS], printed, atol=0.0008)
    as_named = [value(name, [[tp, fn], [fp, tn]]) for name in COLUMNS]
    assert np.abs(np.array(as_named) - printed).max() > 0.01

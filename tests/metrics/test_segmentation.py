"""Dice and related metrics: golden numbers, regions, empty sets, pooled against mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_equal
from sklearn.metrics import f1_score

from equipoise.data.volumes.labels import BRATS_2013, BRATS_2017
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.segmentation import (
    MEASURES,
    SEGMENTATION_METRICS,
    Codes,
    Overlap,
    dice,
    measure_case,
    overlap,
    ppv,
    sensitivity,
)

ONE_MM = (1.0, 1.0, 1.0)
SHAPE = (3, 5, 6)
maps = arrays(np.uint8, SHAPE, elements={"min_value": 0, "max_value": 4})


def measured(truth: Codes, prediction: Codes) -> dict[str, dict[str, float]]:
    return measure_case(
        truth=truth,
        prediction=prediction,
        regions=BRATS_2013.regions,
        spacing_mm=(2.0, 1.0, 0.5),
        class_names=BRATS_2013.class_names,
    )


def lone(code: int) -> Codes:
    codes = np.zeros(SHAPE, dtype=np.uint8)
    codes[1, 2, 3] = code
    return codes


def squares(shift: int) -> Overlap:
    """Count two squares of 2 x 2 pixels, one shifted to the right."""
    truth, prediction = np.zeros((2, 4, 7), dtype=bool)
    truth[1:3, 1:3] = True
    prediction[1:3, 1 + shift : 3 + shift] = True
    return overlap(truth=truth, prediction=prediction)


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 0.5), (2, 0.0)])
def test_golden_dice_of_two_squares(shift: int, expected: float) -> None:
    counts = squares(shift)
    assert dice(**counts) == expected
    union = counts["tp"] + counts["fp"] + counts["fn"]
    sizes = union + counts["tp"]
    # What Small and Ventura print: from 1 for perfect to 2 for disjoint.
    assert union / (sizes / 2) == 2 - expected


def test_empty_sets() -> None:
    """Both empty: 1, or left out; one empty: 0."""
    assert dice(0, 0, 0) == 1
    assert np.isnan(dice(0, 0, 0, empty="nan"))
    assert_equal(dice([0, 0], [3, 0], [0, 3]), [0, 0])
    assert_equal(dice([0, 0], [3, 0], [0, 3], empty="nan"), [0, 0])
    assert_equal(sensitivity(tp=[0, 0, 3], fn=[0, 5, 1]), [np.nan, 0, 0.75])
    assert_equal(ppv(tp=[0, 0, 3], fp=[0, 5, 1]), [np.nan, 0, 0.75])


@pytest.mark.parametrize(
    ("code", "inside"),
    [
        (1, {"whole", "core", "class necrosis"}),
        (2, {"whole", "class edema"}),
        (3, {"whole", "core", "class non-enhancing"}),
        (4, {"whole", "core", "active", "class enhancing"}),
        (255, set()),  # a class left out
    ],
)
def test_regions_of_a_lone_voxel(code: int, inside: set[str]) -> None:
    regions = measured(lone(code), lone(code))
    assert {name for name, values in regions.items() if values["tp"] == 1} == inside
    assert all(values["fp"] == values["fn"] == 0 for values in regions.values())


@pytest.mark.parametrize(
    ("value", "inside"), [(1, {"whole", "core"}), (2, {"whole"}), (4, {"whole", "core", "active"})]
)
def test_regions_of_brats_2017(value: int, inside: set[str]) -> None:
    codes = lone(BRATS_2017.values.index(value))
    measures = measure_case(
        truth=codes, prediction=codes, regions=BRATS_2017.regions, spacing_mm=ONE_MM
    )
    assert {name for name, values in measures.items() if values["tp"] == 1} == inside


def test_a_region_is_measured_as_a_union_not_class_by_class() -> None:
    measures = measured(lone(1), lone(3))
    assert (measures["core"]["tp"], measures["core"]["hd95_mm"]) == (1, 0)
    assert [measures[f"class {name}"]["tp"] for name in ("necrosis", "non-enhancing")] == [0, 0]
    assert (measures["class necrosis"]["fn"], measures["class non-enhancing"]["fp"]) == (1, 1)
    assert np.isnan(measures["class necrosis"]["hd95_mm"])


def test_an_external_truth_may_use_other_codes() -> None:
    truth, prediction = lone(BRATS_2017.values.index(4)), lone(4)
    prediction[0, 0, 0] = 4  # a code that the truth does not have
    measures = measure_case(
        truth=truth,
        prediction=prediction,
        regions=BRATS_2013.regions,
        truth_regions=BRATS_2017.regions,
        spacing_mm=ONE_MM,
    )
    for name in ("whole", "core", "active"):
        assert [measures[name][key] for key in ("tp", "fp", "fn")] == [1, 1, 0]


def test_two_empty_maps_have_all_measures() -> None:
    measures = measured(lone(0), lone(0))
    assert list(measures) == [
        "whole",
        "core",
        "active",
        *(f"class {name}" for name in BRATS_2013.class_names[1:]),
    ]
    for values in measures.values():
        assert values == dict.fromkeys(MEASURES, 0) | {"nsd": 1}


def test_spacing_reaches_the_distances() -> None:
    truth, prediction = lone(4), np.roll(lone(4), 1, axis=0)
    assert measured(truth, prediction)["active"]["hd95_mm"] == 2
    assert measured(truth, prediction)["active"]["nsd"] == 0
    assert measured(truth, np.roll(lone(4), 2, axis=2))["active"]["nsd"] == 1


@given(maps, maps)
@settings(max_examples=20, deadline=None)
def test_dice_is_the_f1_score_of_the_voxels(truth: Codes, prediction: Codes) -> None:
    measures = measured(truth, prediction)
    for name, codes in BRATS_2013.regions.items():
        y_true, y_pred = np.isin(truth, codes).ravel(), np.isin(prediction, codes).ravel()
        expected = f1_score(y_true, y_pred, zero_division=1)
        assert_allclose(dice(*(measures[name][key] for key in ("tp", "fp", "fn"))), expected)


@given(maps, maps)
@settings(max_examples=20, deadline=None)
def test_swapped_maps_swap_sensitivity_and_ppv_and_nothing_else(
    truth: Codes, prediction: Codes
) -> None:
    there, back = measured(truth, prediction), measured(prediction, truth)
    for name, values in there.items():
        swapped = back[name]
        assert_equal(
            sensitivity(tp=values["tp"], fn=values["fn"]), ppv(tp=swapped["tp"], fp=swapped["fp"])
        )
        for key in ("tp", "hd95_mm", "nsd"):
            assert_equal(values[key], swapped[key])


@given(maps, maps, st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_background_around_the_maps_changes_nothing(
    truth: Codes, prediction: Codes, low: int, high: int
) -> None:
    padded = [np.pad(codes, (low, high)) for codes in (truth, prediction)]
    for name, expected in measured(truth, prediction).items():
        assert_equal(measured(*padded)[name], expected)


def test_argument_names_are_required() -> None:
    with pytest.raises(TypeError):
        measure_case(lone(1), lone(2), regions=BRATS_2013.regions, spacing_mm=ONE_MM)  # type: ignore[call-arg]


PATIENTS = {
    # A large tumor segmented well, a small one missed, none in either, a false one.
    "tp": np.array([900.0, 0.0, 0.0, 0.0]),
    "fp": np.array([100.0, 0.0, 0.0, 10.0]),
    "fn": np.array([100.0, 10.0, 0.0, 0.0]),
    "hd95_mm": np.array([3.0, np.nan, 0.0, np.nan]),
    "nsd": np.array([0.8, 0.0, 1.0, 0.0]),
    "lesion_tp": np.array([2.0, 0.0, 0.0, 0.0]),
    "lesion_fp": np.array([1.0, 0.0, 0.0, 1.0]),
    "lesion_fn": np.array([0.0, 1.0, 0.0, 0.0]),
}


@pytest.mark.parametrize(
    ("name", "everyone", "first_twice", "left_out"),
    [
        ("dice", 1.9 / 4, (0.9 + 0.9) / 3, 0),
        ("dice_pooled", 1800 / 2020, 3600 / 4010, 0),
        ("sensitivity", 0.9 / 2, 1.8 / 3, 2),
        ("ppv", 0.9 / 2, 0.9, 2),
        ("hd95_mm", 1.5, 3.0, 2),
        ("nsd", 1.8 / 4, 1.6 / 3, 0),
        ("lesion_f1", 4 / 7, 8 / 11, 0),
    ],
)
def test_metrics_over_patients_by_hand(
    name: str, everyone: float, first_twice: float, left_out: int
) -> None:
    """The pooled Dice hardly sees the small tumor that was missed; the mean does."""
    metric = SEGMENTATION_METRICS[name]
    weights = np.array([[1.0, 1, 1, 1], [2, 1, 0, 0]])
    assert_allclose(metric.rule(PATIENTS, weights), [everyone, first_twice])
    assert metric.left_out(PATIENTS) == left_out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"truth": np.zeros(SHAPE)}, "truth.*float64"),
        ({"prediction": np.zeros((3, 5, 5), dtype=np.uint8)}, r"\(3, 5, 6\).*\(3, 5, 5\)"),
        ({"spacing_mm": (1.0, 1.0)}, "3 spacings"),
        ({"spacing_mm": (1.0, 1.0, 0.0)}, "3 spacings"),
        ({"spacing_mm": (1.0, 1.0, float("nan"))}, "3 spacings"),
    ],
)
def test_maps_that_do_not_fit_are_refused(change: dict[str, object], expected: str) -> None:
    given_maps = {"truth": lone(1), "prediction": lone(1), "spacing_mm": ONE_MM}
    with pytest.raises(DataError, match=expected):
        measure_case(**given_maps | change, regions=BRATS_2013.regions)  # type: ignore[arg-type]


def test_schemes_that_do_not_fit_are_refused() -> None:
    both = {
        "truth": lone(1),
        "prediction": lone(1),
        "spacing_mm": ONE_MM,
        "regions": BRATS_2013.regions,
    }
    with pytest.raises(SettingError, match="whole"):
        measure_case(**both, truth_regions={"whole": (1,)})  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="class_names or truth_"):
        measure_case(**both, truth_regions=BRATS_2017.regions, class_names=("a", "b"))  # type: ignore[arg-type]

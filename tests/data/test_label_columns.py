"""Labels that are several classes, codes or measurements are told from classes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.data.label_columns import are_measurements, codes_among, combinations, truth_faults

WORDS = st.lists(
    st.from_regex(r"[a-z]{3,8}( [a-z]{3,8})?", fullmatch=True), min_size=2, unique=True
)


@pytest.mark.parametrize(
    ("names", "combined"),
    [
        (["No Finding", "Hernia", "Effusion|Hernia"], ["Effusion|Hernia"]),
        (["A;B", "B; C"], ["A;B", "B; C"]),
        (["['normal']", "['nodule', 'normal']"], ["['nodule', 'normal']"]),
        (["A", "B", "A, B"], ["A, B"]),
        (["melanoma, in situ", "melanoma, invasive", "nevus"], []),
        (["HER2+", "HER2-", "CIN 1/2", "CIN 3"], []),
        (["a|b", "c"], []),  # one name that has a bar
    ],
)
def test_combinations_are_found(names: list[str], combined: list[str]) -> None:
    assert combinations(names) == combined


@given(WORDS)
def test_words_are_classes_and_their_pairs_are_not(names: list[str]) -> None:
    assert combinations(names) == []
    pair = "|".join(names[:2])
    assert combinations([*names, pair]) == [pair]
    assert codes_among(names) == []


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (["-1.0", "0.0", "1.0"], ["-1.0"]),
        (["-1", "1"], []),
        (["-2", "-1", "0", "1", "2"], []),
        (["0", "1", "2", "99"], ["99"]),
        (["0", "1", "999"], ["999"]),
        (["88", "99"], []),
        (["0", "1", "nine"], []),
    ],
)
def test_codes_are_found(names: list[str], codes: list[str]) -> None:
    assert codes_among(names) == codes


def test_many_numbers_with_few_images_each_are_measurements() -> None:
    assert are_measurements(Counter([f"{i / 7:.2f}" for i in range(60)]))
    assert not are_measurements(Counter([str(i % 11) for i in range(200)]))  # eleven classes
    assert not are_measurements(Counter([f"c{i}" for i in range(60)]))
    assert not are_measurements(Counter(["0", "0.5", "1", "2"]))  # grades of dementia


@pytest.mark.parametrize(
    ("names", "n_faults"),
    [
        (["TRUE", "1", "0"], 1),
        (["yes", "Y", "no", "0"], 2),
        (["1.0", "0.0", "1"], 0),  # spellings of one number
        (["True", "true", "false"], 0),  # spellings of one word
        (["1", "2", "yes"], 0),
        (["t", "n", "m"], 0),
    ],
)
def test_truth_values_in_several_forms_are_faults(names: list[str], n_faults: int) -> None:
    assert len(truth_faults("ill", Counter(names))) == n_faults

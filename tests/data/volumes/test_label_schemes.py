"""What label values mean, against methods 6.4."""

import pytest

from equipoise.data.volumes.labels import LABEL_SCHEMES, plain
from equipoise.exceptions import DataError


@pytest.mark.parametrize(
    ("name", "regions"),
    [
        ("brats2013", {"whole": {1, 2, 3, 4}, "core": {1, 3, 4}, "active": {4}}),  # methods 6.4
        (
            "brats2017",
            {"whole": {1, 2, 4}, "core": {1, 4}, "active": {4}},
        ),  # methods 6.4: later BraTS merge 1 and 3
        ("msd_brain", {"whole": {1, 2, 3}, "core": {2, 3}, "active": {3}}),  # 1 is edema there
    ],
)
def test_regions_as_values_of_label_files(name: str, regions: dict[str, set[int]]) -> None:
    scheme = LABEL_SCHEMES[name]
    assert {
        key: {scheme.values[code] for code in codes} for key, codes in scheme.regions.items()
    } == regions
    edema = scheme.values[scheme.class_names.index("edema")]
    assert edema in regions["whole"] - regions["core"]
    assert scheme.class_names[scheme.regions["active"][0]] == "enhancing"


@pytest.mark.parametrize("name", LABEL_SCHEMES)
def test_schemes_are_whole(name: str) -> None:
    scheme = LABEL_SCHEMES[name]
    assert scheme.name == name
    assert len(scheme.values) == len(set(scheme.values)) == len(scheme.class_names)
    assert (scheme.values[0], scheme.class_names[0]) == (0, "healthy")
    assert scheme.summary.startswith("0 healthy, 1 ")


def test_plain_values_are_classes_and_regions() -> None:
    scheme = plain([0, 3, 7])
    assert scheme.class_names == ("healthy", "label 3", "label 7")
    assert scheme.regions == {"label 3": (1,), "label 7": (2,)}
    for wrong in ([0], [0, 1, 1]):
        with pytest.raises(DataError, match="at least two different label values"):
            plain(wrong)

"""Patients in the names of files."""

import pytest

from equipoise.data.images.listing import find_patients
from equipoise.data.images.patient_names import ABOVE, PATTERNS, suggest_groups


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("patient{0}/slice{1}.png", PATTERNS[0]),
        ("adenosis/{0}/40X/SOB-{0}-{1}.png", ABOVE),
        ("scans/{0}/{1}.png", PATTERNS[0]),
        ("p{0}_{1}.png", PATTERNS[1]),
        ("ill/IM{0}-{1}-view.png", PATTERNS[1]),
        ("case_{0}_{1}.png", PATTERNS[2]),
    ],
)
def test_a_repeated_part_of_the_paths_is_suggested(path: str, pattern: str) -> None:
    paths = [path.format(patient, image) for patient in range(10, 20) for image in range(3)]
    (sentence,) = suggest_groups(paths, 2)
    assert f"--groups '{pattern}'" in sentence
    assert "10 different" in sentence
    assert len(set(find_patients(paths, pattern)[0])) == 10


@pytest.mark.parametrize("path", ["{0}.png", "img_{0}.png", "a/{0}.png", "IMG{0}-final.png"])
def test_paths_without_repeated_parts_suggest_nothing(path: str) -> None:
    assert suggest_groups([path.format(i) for i in range(30)], 2) == []

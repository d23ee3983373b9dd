"""docs/zoo.md names every method."""

from pathlib import Path

import pytest

from equipoise.experiments.methods.catalogue import METHODS
from equipoise.experiments.methods.segmentation import VOLUME_METHODS

PAGE = Path(__file__).parents[1] / "docs" / "zoo.md"
UNLISTED = {"borderline_smote_features", "adasyn_features"}  # "smote_features, ..."


@pytest.mark.parametrize("name", sorted({*METHODS, *VOLUME_METHODS} - UNLISTED))
def test_the_page_names_the_method(name: str) -> None:
    assert f"`{name.removesuffix('_literal')}`" in PAGE.read_text(encoding="utf-8")

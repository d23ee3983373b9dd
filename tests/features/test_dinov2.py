import sys
from pathlib import Path

import pytest

from equipoise.exceptions import WeightsError
from equipoise.features.dinov2 import REVISION, dinov2


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # importing it now fails
    with pytest.raises(WeightsError, match="pip install transformers"):
        dinov2(device="cpu")


def test_missing_folder_says_what_to_download(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the package transformers is not installed")
    with pytest.raises(WeightsError, match=rf"{REVISION}.*weights='/path/dinov2-small'"):
        dinov2(tmp_path / "none", device="cpu")

"""Load a saved classifier of images, whatever its kind."""

from pathlib import Path

from equipoise.atomic import read_json
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.frozen.classifier import KIND, FrozenClassifier
from equipoise.exceptions import DataError

AnyClassifier = ImageClassifier | FrozenClassifier


def load_classifier(folder: str | Path, *, device: str = "auto") -> AnyClassifier:
    """Read a classifier that `ImageClassifier` or `FrozenClassifier` saved, for prediction only.

    Raises:
        DataError: The folder contains no saved classifier.
        SettingError: The device does not exist.
        WeightsError: The weights of a frozen network are missing, or others than in the fit.
    """
    path = Path(folder) / "model.json"
    if not path.is_file():
        raise DataError(f"Expected a saved classifier in {folder}, found no model.json.")
    if read_json(path)["kind"] == KIND:
        return FrozenClassifier.load(folder, device=device)
    return ImageClassifier.load(folder, device=device)

"""Load a saved classifier of images, whatever its kind."""

from pathlib import Path

from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.frozen.classifier import KIND, FrozenClassifier
from equipoise.training.persistence import read_kind

AnyClassifier = ImageClassifier | FrozenClassifier


def load_classifier(
    folder: str | Path, *, device: str = "auto", workspace: str | Path | None = None
) -> AnyClassifier:
    """Read a classifier that `ImageClassifier` or `FrozenClassifier` saved, for prediction only.

    Args:
        folder: Where it was saved.
        device: Where it predicts.
        workspace: Folder of the features of frozen networks, which are not computed twice; None
            keeps none.

    Raises:
        DataError: The folder contains no saved classifier, or a damaged one.
        SettingError: The device does not exist.
        WeightsError: The weights of a frozen network are missing, or others than in the fit.
    """
    if read_kind(Path(folder) / "model.json", "classifier") == KIND:
        return FrozenClassifier.load(folder, device=device, workspace=workspace)
    return ImageClassifier.load(folder, device=device)

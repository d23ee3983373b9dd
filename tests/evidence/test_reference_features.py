"""The reference sees what the study could have seen without training: its own network if it can."""

from dataclasses import replace
from pathlib import Path

import pytest
from imblearn.pipeline import Pipeline
from tests.conftest import toy_dataset
from tests.fixtures.small_run import small_run

from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.frozen.settings import FrozenSettings
from equipoise.evidence import reference_features as module
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.reference_features import reference_features
from equipoise.networks.backbones import find_backbone

SPAN = (0.0, 255.0)


@pytest.fixture(scope="module")
def frozen_run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    classifier = FrozenClassifier(
        network="small_cnn", pretrained="random", n_views=2, layers=("penultimate",), device="cpu"
    )
    methods = {"none": Pipeline([("classify", classifier)])}
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((20, 12), size=16), methods)


def test_a_frozen_study_is_compared_on_its_own_features(
    frozen_run: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds, notes = reference_features(frozen_run)
    assert [kind.name for kind in kinds] == ["statistics", "network"]
    assert notes == []
    monkeypatch.setattr(module, "MOST_PIXELS", 0)  # its features have been computed already
    assert len(reference_features(frozen_run)[0]) == 2
    features = kinds[1].compute(SPAN)
    n = len(frozen_run.study.images)
    network = find_backbone("small_cnn")
    assert features.shape[0] == n
    assert features.shape[1] == network.head_of(network.build(1, 2, 16)).in_features


def test_without_weights_the_note_says_how_to_get_them(
    frozen_run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    methods = {"none": Pipeline([("classify", ImageClassifier(device="cpu"))])}
    run = replace(frozen_run, study=replace(frozen_run.study, methods=methods))
    kinds, (note,) = reference_features(run)
    assert [kind.name for kind in kinds] == ["statistics"]
    assert "equipoise weights fetch mobilenet_v2" in note
    weights = tmp_path / "mobilenet_v2-b0353104.safetensors"
    weights.touch()
    monkeypatch.setattr(FrozenSettings, "check", lambda _settings, _side: None)
    kinds, notes = reference_features(run)  # nothing is read before it is computed
    assert ([kind.name for kind in kinds], notes) == (["statistics", "mobilenet_v2"], [])
    monkeypatch.setattr(module, "MOST_PIXELS", 31 * 128**2)
    kinds, (note,) = reference_features(run)
    assert [kind.name for kind in kinds] == ["statistics"]
    assert "at most 31 " in note

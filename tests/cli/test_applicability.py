from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.cli.applicability import ALL, OF_IMAGES, OF_STUDY_FILES, OF_VOLUMES, with_methods
from equipoise.exceptions import SettingError
from equipoise.experiments.study import Study

Call = Callable[..., tuple[int, str, str]]
MakeStudy = Callable[..., Study]


def test_every_option_belongs_somewhere() -> None:
    assert OF_IMAGES | OF_VOLUMES | OF_STUDY_FILES == ALL


@pytest.mark.parametrize(
    ("arguments", "ignored"),
    [
        (("study.py", "--size", "64", "--new-splits"), ("--size", "--new-splits")),
        (("study.py", "--time", "1h"), ("--time",)),
        (("study.py", "--task", "segmentation"), ("--task",)),
        (("films", "--folds", "3", "--n4"), ("--folds", "--n4")),
        (("films", "--protocol", "literal"), ("--protocol",)),
        (("brains", "--task", "segmentation", "--rare", "core"), ("--rare",)),
        (("brains", "--task", "segmentation", "--splits", "3"), ("--splits",)),
    ],
)  # fmt: skip
def test_options_that_would_be_ignored_are_named(
    arguments: tuple[str, ...], ignored: tuple[str, ...], call: Call, tmp_path: Path
) -> None:
    images, *options = arguments
    code, _, error = call("run", str(tmp_path / images), *options)
    assert code == 2
    assert f"Expected no {', '.join(ignored)}," in error


def test_a_study_of_some_methods_has_its_baseline(make_study: MakeStudy) -> None:
    study = make_study()
    names = [*study.methods]
    some = with_methods(study, f"{names[1]}, {study.baseline_name}")
    assert list(some.methods) == [names[1], study.baseline_name]
    assert with_methods(study, None) is study
    with pytest.raises(SettingError, match=f"--methods {study.baseline_name},{names[1]}"):
        with_methods(study, names[1])
    with pytest.raises(SettingError, match="No method"):
        with_methods(study, "nothing")

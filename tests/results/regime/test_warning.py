"""One sentence for each thing that is wrong, in the words of the interface that was used."""

from dataclasses import replace

import pytest

from equipoise.atomic import JsonObject
from equipoise.results.regime.warning import (
    KINDS,
    OF_TASK,
    RegimeWarning,
    more_steps,
    most_serious_first,
    named,
    other_training,
    steps_of,
    with_one_number,
)
from equipoise.runs.description import (
    ImageDatasetDescription,
    MethodDescription,
    StepDescription,
    StudyDescription,
)

IMAGES = ImageDatasetDescription(
    fingerprint="c0ffee",
    n_images=4,
    n_groups=4,
    class_names=("a", "b"),
    counts=(2, 2),
    shape=(1, 8, 8),
    dtype="uint8",
)
STUDY = StudyDescription(
    name="study",
    dataset=IMAGES,
    rare_class=1,
    baseline="none",
    primary_metric="auroc",
    methods=(),
    splits=(),
    seeds=(0,),
)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (None, "n_steps=80"),
        ("equipoise run films --size 28", "--steps 80"),
        ("equipoise run studies/s0_cervical_cells.py", "n_steps=80"),
        ("equipoise demo", "demo"),
    ],
)
def test_steps_are_advised_in_the_interface_that_started_the_run(
    command: str | None, option: str
) -> None:
    facts = {} if command is None else {"command": command}
    assert option in more_steps(80, replace(STUDY, facts=facts))


@pytest.mark.parametrize(
    ("pretrained", "command", "option"),
    [
        (None, "equipoise run films", "--regime finetune --network mobilenet_v2"),
        (None, None, "regime='finetune'"),
        ("official", "equipoise run films", "--regime frozen"),
        ("official", None, "regime='frozen'"),
    ],
)
def test_a_better_start_is_advised_where_there_is_one(
    pretrained: str | None, command: str | None, option: str
) -> None:
    settings: JsonObject = {"pretrained": pretrained, "n_steps": 9}
    step = StepDescription(name="classify", class_name="x.ImageClassifier", settings=settings)
    methods = (MethodDescription(name="none", steps=(step,)),)
    facts = {} if command is None else {"command": command}
    assert option in other_training(replace(STUDY, methods=methods, facts=facts))


@pytest.mark.parametrize(
    ("command", "option"), [("equipoise run films", "--views"), (None, "n_views")]
)
def test_a_run_on_frozen_features_is_not_advised_to_train_longer(
    command: str | None, option: str
) -> None:
    step = StepDescription(
        name="classify",
        class_name="equipoise.estimators.frozen.classifier.FrozenClassifier",
        settings={"pretrained": "official", "n_views": 4},
    )
    methods = (MethodDescription(name="none", steps=(step,)),)
    facts = {} if command is None else {"command": command}
    study = replace(STUDY, methods=methods, facts=facts)
    for advice in (more_steps(600, study), other_training(study)):
        assert option in advice
        assert "longer" not in advice


def test_the_steps_of_a_cascade_are_those_of_both_networks() -> None:
    settings: JsonObject = {"detect": {"n_steps": 30}, "divide": {"n_steps": 20, "network": "unet"}}
    step = StepDescription(name="segment", class_name="x.Cascade", settings=settings)
    plain = StepDescription(name="segment", class_name="x.Segmenter", settings={"n_steps": 7})
    methods = (
        MethodDescription(name="cascade", steps=(step,)),
        MethodDescription(name="plain", steps=(plain,)),
    )
    study = replace(STUDY, methods=methods)
    assert [steps_of(study, name) for name in ("cascade", "plain", "other")] == [50, 7, 0]


def test_the_most_serious_come_first_and_every_kind_is_checked_somewhere() -> None:
    warnings = [RegimeWarning(kind=kind, problem="x", change="y") for kind in reversed(list(KINDS))]
    assert [warning.kind for warning in most_serious_first(warnings)] == list(KINDS)
    assert {kind for kinds in OF_TASK.values() for kind in kinds} == set(KINDS)


def test_many_methods_are_counted() -> None:
    assert named([f"m{i}" for i in range(7)]) == "m0, m1, m2, m3, m4 and 2 more"


@pytest.mark.parametrize("command", [None, "equipoise run films --size 28"])
def test_one_number_of_steps_is_advised(command: str | None) -> None:
    study = replace(STUDY, facts={} if command is None else {"command": command})
    warnings = [
        RegimeWarning(kind="few patients", problem="x", change="add 600 patients"),
        RegimeWarning(
            kind="nothing learned",
            problem="x",
            change=f"{more_steps(600, study)}, and check labels",
            steps=600,
        ),
        RegimeWarning(
            kind="still learning", problem="x", change=more_steps(2400, study), steps=2400
        ),
    ]
    changes = [warning.change for warning in with_one_number(warnings, study)]
    longer = more_steps(2400, study)
    assert changes == ["add 600 patients", f"{longer}, and check labels", longer]

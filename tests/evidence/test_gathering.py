"""Evidence is gathered once, again if the cells have changed, and whole or not at all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from imblearn.pipeline import Pipeline

from equipoise.evidence import gathering
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import EvidenceCard, gather_evidence, kinds, stored
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore

MakeStudy = Callable[..., Study]


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The only kind of evidence: counts how often it was gathered."""

    def gather(run: FinishedRun, folder: Path) -> None:
        counting.calls += 1
        if counting.trouble:
            raise counting.trouble
        (folder / "cells.txt").write_text(str(len(run.cells)))

    counting = SimpleNamespace(
        CARD=EvidenceCard(summary="how many cells there are"), gather=gather, calls=0, trouble=None
    )
    monkeypatch.setattr(gathering, "kinds", lambda: {"count": counting})
    return counting


def run_of(study: Study, folder: Path) -> FinishedRun:
    run_study(study, RunStore(folder), executor=InProcess())
    return FinishedRun(study, open_run(folder))


def test_it_is_gathered_once_and_again_for_new_cells(
    make_study: MakeStudy, kind: Any, tmp_path: Path
) -> None:
    summaries: list[str] = []
    run = run_of(make_study(seeds=(0,)), tmp_path)
    for _ in range(2):
        gather_evidence(run, summaries.append)
    assert (kind.calls, summaries) == (1, ["how many cells there are"])
    gather_evidence(run_of(make_study(seeds=(0, 1)), tmp_path))
    path = stored(tmp_path, "count", "cells.txt")
    assert kind.calls == 2
    assert path is not None
    assert path.read_text() == "12"


def test_what_is_about_synthetic_images_is_not_announced_without_any(
    make_study: MakeStudy, kind: Any, tmp_path: Path
) -> None:
    kind.CARD = EvidenceCard(summary="about synthetic images", about_synthetic=True)
    study = make_study(seeds=(0,))
    run = run_of(replace(study, methods={"none": study.methods["none"]}), tmp_path)
    summaries: list[str] = []
    gather_evidence(run, summaries.append)
    assert (kind.calls, summaries) == (1, [])  # its files still say that there was nothing


def test_nothing_is_gathered_where_no_cell_has_finished(
    make_study: MakeStudy, fakes: Any, kind: Any, tmp_path: Path
) -> None:
    failing = Pipeline([("classify", fakes.NearestMean(trouble="no"))])
    summaries: list[str] = []
    run = run_of(make_study(methods={"bad": failing}, baseline="bad", seeds=(0,)), tmp_path)
    gather_evidence(run, summaries.append)
    assert (kind.calls, summaries) == (0, [])
    assert not (tmp_path / "evidence").exists()


def test_a_newer_version_is_gathered_again(
    make_study: MakeStudy, kind: Any, tmp_path: Path
) -> None:
    run = run_of(make_study(seeds=(0,)), tmp_path)
    gather_evidence(run)
    kind.CARD = EvidenceCard(summary=kind.CARD.summary, version=2)
    gather_evidence(run)
    assert kind.calls == 2


def test_a_kind_of_another_task_is_not_gathered(
    make_study: MakeStudy, kind: Any, tmp_path: Path
) -> None:
    kind.CARD = EvidenceCard(summary=kind.CARD.summary, task="segmentation")
    gather_evidence(run_of(make_study(seeds=(0,)), tmp_path))
    assert kind.calls == 0
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), ValueError("a bug")])
def test_an_interrupted_kind_leaves_no_files(
    trouble: BaseException, make_study: MakeStudy, kind: Any, tmp_path: Path
) -> None:
    run = run_of(make_study(seeds=(0,)), tmp_path)
    kind.trouble = trouble
    with pytest.raises(type(trouble)):
        gather_evidence(run)
    assert stored(tmp_path, "count", "cells.txt") is None
    assert list((tmp_path / "evidence").iterdir()) == []
    kind.trouble = None
    gather_evidence(run)
    assert stored(tmp_path, "count", "cells.txt") is not None


def test_every_kind_has_a_card_and_a_test_of_its_own() -> None:
    kinds_by_name = kinds()
    assert {"quality", "memorization", "embedding", "attention", "slices"} <= kinds_by_name.keys()
    for name, module in kinds_by_name.items():
        assert isinstance(module, ModuleType)
        assert module.CARD.summary
        assert (Path(__file__).parent / "kinds" / f"test_{name}.py").is_file()

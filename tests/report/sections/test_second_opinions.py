"""Other tests beside our verdict, and what the study could find, as a reader sees them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from equipoise.atomic import read_json, write_json
from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections import second_opinions as section
from equipoise.report.sections.second_opinions import WHY, foretold, reaches, view
from equipoise.results.power import detectable, patients_of_run, size_of
from equipoise.results.records import VerdictWord
from equipoise.results.textbook_tests import Opinion

MakeRun = Callable[..., Path]


def opinions(test: str, verdicts: Sequence[tuple[VerdictWord, VerdictWord]]) -> Any:
    def made(*_: object) -> list[Opinion]:
        return [
            Opinion(
                method=f"method-{i}",
                baseline="none",
                test=test,
                metric="auroc",
                verdict=theirs,
                ours=ours,
                agreement="agrees" if theirs == ours else "differs",
                **dict.fromkeys(("difference", "p", "p_low", "p_high", "p_holm"), 0.01),
            )
            for i, (theirs, ours) in enumerate(verdicts)
        ]

    return made


def test_each_test_speaks_a_sentence_and_stands_beside_our_verdict(make_run: MakeRun) -> None:
    found = view(read_contents(make_run()))
    assert found is not None
    assert len(found.sentences) == 6  # those without an answer are one
    assert found.sentences[0].startswith("DeLong's test of AUROC")
    decided, auroc, balanced = found.groups
    both = ["Wilcoxon's signed rank test", "The corrected t test"]
    assert decided.columns == both
    assert balanced.columns == ["McNemar's test (accuracy)", *both]
    assert auroc.columns == ["DeLong's test", *both]
    for group in found.groups:
        assert list(group.rows) == ["class_weights", "oversampling", "dcgan", "cdcgan"]
        assert all(len(cells) == 1 + len(group.columns) for cells in group.rows.values())
    text = " ".join(found.sentences)
    assert re.search("Wilcoxon.* balanced accuracy .*needs six paired runs", text)


def test_where_a_test_differs_it_is_said_why(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = read_contents(make_run())
    shifted: tuple[VerdictWord, VerdictWord] = ("better", "no detectable difference")
    verdicts: list[tuple[VerdictWord, VerdictWord]] = [("better", "better"), *([shifted] * 7)]
    monkeypatch.setattr(section, "second_opinions", opinions("delong", verdicts))
    found = view(contents)
    assert found is not None
    (sentence,) = found.sentences
    assert re.match("DeLong.* AUROC agrees .*1 of 8 methods; it differs", sentence)
    assert re.search(r"method-5 \(better .*no detectable difference .*\); 2 more", sentence)
    assert sentence.endswith(WHY["delong"])
    assert found.disagreements[5].startswith("2 more")
    assert re.match("DeLong.* calls method-1 better than none in AUROC", found.disagreements[0])
    monkeypatch.setattr(section, "second_opinions", opinions("delong", verdicts[:1]))
    agreed = view(contents)
    assert agreed is not None
    (sentence,) = agreed.sentences
    assert re.fullmatch(r"DeLong.* AUROC agrees .*1 of 1 methods\.", sentence)
    assert not agreed.disagreements


def test_a_verdict_that_no_other_test_confirms_is_said_so(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = read_contents(make_run())
    alone: tuple[VerdictWord, VerdictWord] = ("no detectable difference", "worse")
    monkeypatch.setattr(section, "second_opinions", opinions("delong", [alone, ("worse", "worse")]))
    found = view(contents)
    assert found is not None
    (text,) = found.disagreements
    assert re.match("No other test confirms that method-0 is worse than none in AUROC", text)


def test_an_answer_is_not_missing_because_our_verdict_is(make_run: MakeRun) -> None:
    """With a single run of each, DeLong and McNemar have p values in the table below."""
    found = view(read_contents(make_run(n_splits=1, n_seeds=1)))
    assert found is not None
    sentences = {text.split(" test")[0]: text for text in found.sentences}
    for test in ("DeLong's", "McNemar's"):
        assert re.search(
            r"answer where our verdict has none \(not enough runs\): .* for class_weights",
            sentences[test],
        )
    (unanswered,) = [text for text in found.sentences if text.startswith("Without an answer: ")]
    assert re.search(r"the corrected t test .*\(needs two splits\)", unanswered)
    auroc = found.groups[1]
    assert auroc.columns == ["DeLong's test", "Wilcoxon's signed rank test", "The corrected t test"]
    for ours, delong, *_ in auroc.rows.values():
        assert ours.verdict == "not enough runs"
        assert delong.verdict != "not enough runs"


def test_several_images_of_a_patient_are_a_warning(make_run: MakeRun) -> None:
    folder = make_run()
    found = view(read_contents(folder))
    assert found is not None
    assert re.search("300 images .*150 patients", found.several)
    study = read_json(folder / "study.json")
    study["dataset"]["n_groups"] = study["dataset"]["n_images"]
    write_json(folder / "study.json", study)
    found = view(read_contents(folder))
    assert found is not None
    assert found.several == ""


def test_what_could_be_found_is_foretold_beside_what_was_reached(make_run: MakeRun) -> None:
    contents = read_contents(make_run(counts=(800, 400)))
    text = foretold(contents)
    size = size_of(contents.description, patients_of_run(contents.run.images))
    assert size.patients.in_all == contents.results.test_patients
    expected = detectable(size, "balanced_accuracy")
    assert f"{expected:.3f} in balanced accuracy" in text
    reached = [
        row.detectable
        for row in contents.results.comparisons
        if row.metric == "decided_balanced_accuracy"
    ]
    assert f"{min(reached):.3f} to {max(reached):.3f}." in text
    assert [reach.label for reach in reaches(contents)] == ["balanced accuracy", "AUROC"]
    assert [len(reach.needs) for reach in reaches(contents)] == [3, 3]


def test_a_study_too_small_says_so_and_a_lone_baseline_leaves_the_section_out(
    make_run: MakeRun,
) -> None:
    few = read_contents(make_run(counts=(240, 20)))
    assert re.search("of class carcinoma are tested, fewer than 6", foretold(few))
    assert view(few) is not None
    assert view(read_contents(make_run(methods=("none",)))) is None
    assert view(read_contents(make_run(broken=("none",)))) is None


@pytest.mark.parametrize("fields", [{}, {"failed": ("dcgan",)}, {"absent": ("cdcgan",)}])
def test_the_page_holds_the_section_whatever_failed(
    make_run: MakeRun, fields: dict[str, Any]
) -> None:
    page = write_report(make_run(**fields)).read_text(encoding="utf-8")
    assert "What this study could find" in page
    assert "Second opinions, " in page


def test_a_method_without_a_finished_run_is_said_to_have_failed(make_run: MakeRun) -> None:
    page = write_report(make_run(broken=("dcgan",))).read_text(encoding="utf-8")
    assert '<td colspan="3">failed</td>' in page
    assert "not enough runs</span>" in page  # of tests without an answer for the other methods

"""The section says of each method whether its images may be released, and shows the pairs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.atomic import make_folder, write_json
from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.memorization import HEADING, view

MakeRun = Callable[..., Path]

ATTACK = {"n_members": 40, "n_others": 30, "auc": 0.52, "low": 0.41, "high": 0.63}
ATTACK |= {"p_auc": 0.4, "caught": 0.02, "p_caught": 0.5}


def findings(name: str, copies: int, **changed: Any) -> dict[str, Any]:
    return {
        "name": name,
        "n_synthetic": 50,
        "n_train": 90,
        "n_held_out": 60,
        "n_copies": copies,
        "nearness": 0.94,
        "nearness_in_train": 0.9,
        "close": 0.02,
        "authenticity": 61.4,
        "authenticity_held_out": 63.0,
        "copying": -0.7,
        "membership": ATTACK,
        **changed,
    }


def audit_of(
    method: str, split: int, copies: int, classes: tuple[str, ...], **changed: Any
) -> dict[str, Any]:
    return {
        "method": method,
        "split": f"split-{split}",
        "seed": 0,
        "extractor": "random",
        "digest": "0" * 64,
        "rule": {"likeness": 0.9},
        "overall": findings("all classes", copies),
        "classes": [findings(name, copies, **changed) for name in classes],
        "pairs": [],
        "held_out_copies": 0,
        "detectable": 0.058,
        "privacy": {
            "status": "refused" if copies else "passed",
            "reasons": ["3 of 50 synthetic images are near copies of real training images."]
            if copies
            else ["No near copy; a share of copies below 5.8 % can go unnoticed."],
        },
        "notes": ["Too few patients <here>."],
    }


def add_evidence(
    run: Path, audits: list[dict[str, Any]], channels: int = 1, dtype: str = "uint8"
) -> None:
    folder = run / "evidence" / "memorization"
    make_folder(folder)
    write_json(folder / "audits.json", audits)
    rng = np.random.default_rng(0)
    methods = [one["method"] for one in audits]
    real = rng.integers(0, 255, (len(methods), channels, 28, 28)).astype(dtype)
    np.savez(
        folder / "pairs.npz",
        synthetic=real[::-1],
        real=real,
        method=np.array(methods),
        copy=np.ones(len(real)),
        label=np.zeros(len(real), int),
        likeness=np.linspace(0.97, 0.5, len(real)),
        mirrored=np.zeros(len(real)),
    )


def test_the_verdict_on_each_method_stands_in_the_report(make_run: MakeRun) -> None:
    run = make_run()
    classes = ("normal", "carcinoma")
    add_evidence(
        run,
        [
            audit_of(m, s, 3 * (m == "dcgan" and s == 1), classes)
            for m in ("dcgan", "cdcgan")
            for s in (0, 1)
        ],
    )
    make_folder(run / "evidence" / "quality")
    quality = {"status": "passed", "reasons": ["AUROC 0.52."]}
    write_json(run / "evidence" / "quality" / "quality.json", {"release": {"cdcgan": quality}})
    page = write_report(run).read_text(encoding="utf-8")
    assert HEADING in page
    of_dcgan, of_cdcgan = re.findall(r"<dd><strong(.*?)</dd>", page, re.DOTALL)[:2]
    assert "Do not release: privacy refused; quality could not be measured." in of_dcgan
    assert "Privacy refused in 1 of 2 runs. 3 of 50 synthetic images" in of_dcgan
    assert 'class="worse"' in of_dcgan
    assert "May be released: privacy passed; quality passed." in of_cdcgan
    assert re.search(r"copies .* 5\.8", of_cdcgan)
    assert "AUROC 0.52." in of_cdcgan
    assert 'class="better"' in of_cdcgan
    assert "Too few patients &lt;here&gt;." in page
    assert page.count("a synthetic image and the real training image") == 4
    assert "normal: likeness 0.97, a near copy" in page


def test_numbers_are_those_of_the_runs_together(make_run: MakeRun) -> None:
    run = make_run()
    audits = [audit_of("dcgan", s, s, ("carcinoma",), nearness=0.9 + 0.1 * s) for s in (0, 1)]
    add_evidence(run, audits)
    found = view(read_contents(run))
    assert found is not None
    assert list(found.rows["dcgan"]) == ["carcinoma"]  # one class is all there is
    row = found.rows["dcgan"]["carcinoma"]
    assert row[0] == ("1", "of 100")
    assert row[2] == ("0.95", "")
    assert row[3] == ("61 %", "real: 63 %")
    assert row[5] == ("0.52", "0.41 to 0.63")


@pytest.mark.parametrize(("channels", "dtype"), [(3, "uint8"), (1, "uint16"), (3, "float32")])
def test_what_is_not_known_is_a_dash_and_every_kind_of_image_is_shown(
    make_run: MakeRun, channels: int, dtype: str
) -> None:
    run = make_run(channels=channels, dtype=dtype)
    nothing = dict.fromkeys(
        ("nearness", "close", "authenticity", "authenticity_held_out", "copying", "membership")
    )
    add_evidence(
        run, [audit_of("dcgan", 0, 0, ("normal", "carcinoma"), **nothing)], channels, dtype
    )
    found = view(read_contents(run))
    assert found is not None
    assert [value for value, _ in found.rows["dcgan"]["carcinoma"]][1:] == ["\N{EN DASH}"] * 5
    assert HEADING in write_report(run).read_text(encoding="utf-8")


def test_without_evidence_there_is_no_section(make_run: MakeRun) -> None:
    run = make_run()
    assert view(read_contents(run)) is None
    assert HEADING not in write_report(run).read_text(encoding="utf-8")

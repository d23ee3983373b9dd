"""What the first screen says of a release, from the evidence of a run."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from equipoise.atomic import make_folder, write_json
from equipoise.audit.gate import GateDecision
from equipoise.results.release import MethodRelease, read_releases


def decision(status: str, *reasons: str) -> dict[str, Any]:
    return {"status": status, "reasons": list(reasons)}


def with_evidence(run: Path, audits: list[dict[str, Any]], quality: dict[str, Any]) -> Path:
    for kind in ("memorization", "quality"):
        make_folder(run / "evidence" / kind)
    write_json(run / "evidence" / "memorization" / "audits.json", audits)
    write_json(run / "evidence" / "quality" / "quality.json", quality)
    return run


def test_the_worst_run_holds_and_green_needs_both(tmp_path: Path) -> None:
    audits = []
    for method, statuses in (("a", ("passed", "passed")), ("b", ("passed", "refused"))):
        for status in statuses:
            audits.append({"method": method, "privacy": decision(status, f"{status} by x")})
    quality = {"a": decision("passed", "AUROC 0.52."), "b": decision("passed", "AUROC 0.55.")}
    releases = read_releases(with_evidence(tmp_path, audits, {"release": quality}))
    assert list(releases) == ["a", "b"]
    assert releases["a"].green
    assert releases["a"].quality.reasons == ("AUROC 0.52.",)
    assert not releases["b"].green
    assert releases["b"].privacy.status == "refused"
    assert releases["b"].privacy.words == "refused in 1 of 2 runs"
    assert releases["b"].privacy.reasons == ("refused by x",)
    assert releases["a"].objection == ""
    assert releases["b"].objection == "privacy refused in 1 of 2 runs (refused by x)"


def test_what_was_not_gathered_does_not_pass(tmp_path: Path) -> None:
    assert read_releases(tmp_path) == {}
    audits = [{"method": "a", "privacy": decision("passed", "x")}]
    quality = {"release": {"b": decision("passed", "y")}}
    releases = read_releases(with_evidence(tmp_path, audits, quality))
    assert releases["a"].quality.status == "not measured"
    assert releases["b"].privacy.status == "not tested"
    assert not releases["a"].green
    assert not releases["b"].green
    assert releases["a"].objection.startswith("quality not measured (")


def test_a_refusal_is_named_before_what_was_not_tested() -> None:
    untested = GateDecision(status="not tested", reasons=("No copy.", "Membership was not tested."))
    refused = GateDecision(status="refused", reasons=("Images of x differ.", "And more."))
    release = MethodRelease(privacy=untested, quality=refused)
    assert release.objection == "quality refused (images of x differ)"
    open_side = MethodRelease(
        privacy=untested, quality=GateDecision(status="passed", reasons=("AUROC 0.52.",))
    )
    assert open_side.objection.startswith("membership was not tested")


def test_evidence_of_an_earlier_version_says_nothing(tmp_path: Path) -> None:
    audits = [{"method": "a", "passed": True, "reasons": []}]
    assert read_releases(with_evidence(tmp_path, audits, {"extractor": "random"})) == {}


def test_torch_is_not_needed() -> None:
    code = "import sys, equipoise.results.release; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_quality_that_was_not_measured_is_named_beside_any_other_objection() -> None:
    refused = GateDecision(status="refused", reasons=("3 near copies.",))
    unmeasured = GateDecision(status="not measured", reasons=("20 real images: few.",))
    untested = GateDecision(status="not tested", reasons=("No copy.",))
    release = MethodRelease(privacy=refused, quality=unmeasured)
    assert release.objection == (
        "privacy refused (3 near copies); quality not measured (20 real images)"
    )
    assert MethodRelease(privacy=untested, quality=unmeasured).objection.endswith(
        "; quality not measured (20 real images)"
    )

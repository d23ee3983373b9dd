"""Tables of a run of which only a share was trained."""

from types import SimpleNamespace
from typing import Any

from studies.tables import means, pairs, published

NAN = float("nan")


def results() -> Any:
    """Results of one method that ran once, and of one that did not run."""
    once = SimpleNamespace(mean=0.9, sd=NAN, low=NAN, high=NAN)
    never = SimpleNamespace(mean=NAN, sd=NAN, low=NAN, high=NAN)
    row = {"metric": "auroc", "baseline": "none", "p_holm": NAN, "verdict": "not enough runs"}
    numbers = {"low": NAN, "high": NAN, "detectable": NAN}
    return SimpleNamespace(
        metrics={"auroc": SimpleNamespace(label="AUROC")},
        methods=[
            SimpleNamespace(method="none", n_runs=1, metrics={"auroc": once}),
            SimpleNamespace(method="dcgan", n_runs=0, metrics={"auroc": never}),
        ],
        comparisons=[
            SimpleNamespace(method="crt", difference=0.01, **row, **numbers),
            SimpleNamespace(method="dcgan", difference=NAN, **row, **numbers),
        ],
    )


def test_what_did_not_run_has_no_row_and_no_number() -> None:
    assert list(means(results(), ["auroc"]))[2:] == ["| none | 0.900 |"]
    (only,) = list(pairs(results()))[2:]
    assert only.startswith("| AUROC | crt | +0.010 | - |")
    table = {
        "caption": "",
        "columns": [["AUROC", "auroc"]],
        "rows": [
            {"arm": "Baseline", "method": "none", "values": [0.8]},
            {"arm": "DCGAN", "method": "dcgan", "values": [0.85]},
        ],
        "notes": [],
    }
    assert list(published(results(), [table]))[-2:] == [
        "| Baseline | 0.8 / 0.900 |",
        "| DCGAN | 0.85 |",
    ]

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from equipoise.estimators.patches.base import PatchSampler
from equipoise.estimators.patches.hard_example import HardExamplePatches
from equipoise.estimators.patches.table import PATCH_SAMPLERS
from equipoise.experiments.parameters import as_json
from equipoise.testing.patch_samplers import PATCH_SAMPLER_CONTRACT, ToyCases, toy_cases

VARIANTS: dict[str, PatchSampler] = {
    **PATCH_SAMPLERS,
    "hard_example, with replacement": HardExamplePatches(
        candidates=200, hard_fraction=1.0, replace=True
    ),
    "hard_example, natural minority": HardExamplePatches(
        candidates=200, hard_fraction=1.0, proportions="natural_minority", majority_share=0.6
    ),
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> ToyCases:
    folder: Path = tmp_path_factory.mktemp("cases")
    return toy_cases(folder)


@pytest.mark.parametrize("check", PATCH_SAMPLER_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("sampler", VARIANTS.values(), ids=VARIANTS)
def test_patch_sampler_contract(
    sampler: PatchSampler, check: Callable[[PatchSampler, ToyCases], None], cases: ToyCases
) -> None:
    check(sampler, cases)


@pytest.mark.parametrize("sampler", PATCH_SAMPLERS.values(), ids=PATCH_SAMPLERS)
def test_every_patch_sampler_has_a_summary_and_a_source_and_can_be_stored(
    sampler: PatchSampler,
) -> None:
    assert sampler.summary.endswith(".")
    assert re.search(r"\((19|20)\d\d\)", sampler.source), "expected author and year"
    written = json.loads(json.dumps(as_json(sampler)))
    assert written == as_json(type(sampler)())
    assert written.keys() == {"class", *(field.name for field in fields(sampler))}  # type: ignore[arg-type]


def test_the_three_samplers_of_the_paper_come_first() -> None:
    assert list(PATCH_SAMPLERS)[:3] == ["random", "balanced", "hard_example"]
    assert len({sampler.summary for sampler in PATCH_SAMPLERS.values()}) == len(PATCH_SAMPLERS)

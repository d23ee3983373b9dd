"""Checks of training and test: everything that is wrong, what was in order, and the reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.report.run_contents import Contents
from equipoise.results.reference import LABELS, ReferenceGain
from equipoise.results.regime.warning import KINDS, OF_TASK, RegimeWarning
from equipoise.results.sources_of_gain import sources_of_gain

HEADING = "Checks of training and test"
ORDER = 28
TASKS = ("classification", "segmentation")


@dataclass(frozen=True)
class ReferenceTable:
    """One reference against every method."""

    label: str
    gains: Sequence[ReferenceGain]


@dataclass(frozen=True, kw_only=True)
class RegimeView:
    """What the template of this section shows.

    Attributes:
        warnings: What is wrong, the most serious first.
        in_order: Headings of the checks that found nothing.
        references: The references, where they were fitted.
        notes: What the references left out.
        sources: How much the features give and how much rebalancing, a sentence or "".
    """

    warnings: Sequence[RegimeWarning]
    in_order: Sequence[str]
    references: Sequence[ReferenceTable]
    notes: Sequence[str]
    sources: str = ""


def view(contents: Contents) -> RegimeView | None:
    """Return the outcome of every check; None where nothing has finished."""
    if not contents.run.finished:
        return None
    kinds = {warning.kind for warning in contents.regime}
    tables = []
    in_order = []
    reference = contents.reference
    for kind in OF_TASK[contents.results.task]:
        unknown = kind == "below the reference" and reference is None
        if kind not in kinds and not unknown:
            in_order.append(KINDS[kind].replace("patient", contents.description.unit))
    for features in reference.features if reference else ():
        gains = [row for row in reference.gains if row.features == features] if reference else []
        tables.append(ReferenceTable(LABELS[features], gains))
    return RegimeView(
        warnings=contents.regime,
        in_order=in_order,
        references=tables,
        notes=reference.notes if reference else (),
        sources=sources_of_gain(reference, contents.results, contents.run.images)
        if reference
        else "",
    )

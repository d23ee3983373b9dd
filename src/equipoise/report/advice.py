"""The last sentence of the first screen: what to do, with what the audit of the images found."""

from equipoise.report.run_contents import Contents
from equipoise.results.advice import Clearance, advise, advise_volumes
from equipoise.runs.description import SEGMENTATION


def advice_of(contents: Contents) -> str:
    """Return what to do after a study; where its baseline is unusable, what to change first."""
    for warning in contents.regime:
        if contents.results.baseline in warning.unusable:
            return f"Nothing can be advised yet. {warning.text}"
    if contents.results.task == SEGMENTATION:
        return advise_volumes(contents.results)
    return advise(contents.results, contents.run.images, clearances_of(contents))


def clearances_of(contents: Contents) -> dict[str, Clearance]:
    """Return which synthetic images may be released, as far as they were audited."""
    return {}

"""The last sentence of the first screen: what to do, with what the audit of the images found."""

from equipoise.report.run_contents import Contents
from equipoise.results.advice import advise, advise_volumes
from equipoise.results.release import read_releases
from equipoise.runs.description import SEGMENTATION

SEE = "why is said under 'Before you rely on this'"


def advice_of(contents: Contents) -> str:
    """Return what to do after a study; where its training is at fault, what to change first."""
    for warning in contents.regime:
        if contents.results.baseline in warning.unusable:
            return f"Nothing can be advised yet. First {warning.change}; {SEE}."
    if contents.results.task == SEGMENTATION:
        return advise_volumes(contents.results)
    advice = advise(contents.results, contents.run.images, read_releases(contents.folder))
    for warning in contents.regime:
        if warning.kind == "below the reference":
            return (
                f"Train better before you rebalance: {warning.change}; {SEE}. Until then: {advice}"
            )
    return advice

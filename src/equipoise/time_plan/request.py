"""What a plan is requested for."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from equipoise.experiments.protocol import CHEAP_METHODS, Budget, Protocol
from equipoise.time_plan.plan import FixedChoices

if TYPE_CHECKING:
    from equipoise.experiments.study import Study


def unchanged(study: "Study") -> "Study":
    """Return a study as it is."""
    return study


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """What a plan is requested for.

    Attributes:
        seconds: The time.
        fixed: What the user has chosen.
        protocol: How methods are compared, apart from what is planned.
        budget: What each method may spend, apart from what is planned.
        limit: The most seconds that the cells of the pilot may take; None where they stay in the
            study.
        adapt: Changes the study of all splits before anything is measured on it.
    """

    seconds: float
    fixed: FixedChoices = field(default_factory=FixedChoices)
    protocol: Protocol = field(default_factory=Protocol)
    budget: Budget = field(default_factory=Budget)
    limit: float | None = None
    adapt: "Callable[[Study], Study]" = unchanged

    @property
    def starting_protocol(self) -> Protocol:
        """The protocol with the methods that every plan of this request begins with."""
        return replace(self.protocol, methods=self.fixed.methods or CHEAP_METHODS)

"""What a plan is requested for."""

from dataclasses import dataclass, field

from equipoise.experiments.protocol import Budget, Protocol
from equipoise.time_plan.plan import FixedChoices


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
    """

    seconds: float
    fixed: FixedChoices = field(default_factory=FixedChoices)
    protocol: Protocol = field(default_factory=Protocol)
    budget: Budget = field(default_factory=Budget)
    limit: float | None = None

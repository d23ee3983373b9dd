"""What a study costs in seconds, computed from measured numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from equipoise.runs.stage_seconds import EVIDENCE, REPORT, TABLES, TRAINING
from equipoise.time_plan.synthetic_evidence import SyntheticEvidence


@dataclass(frozen=True, kw_only=True)
class StudyCosts:
    """Measured seconds from which those of any number of splits and seeds are computed.

    Attributes:
        spent: {stage: seconds} until now.
        n_workers: Cells trained at once.
        start: Seconds until the workers train.
        cells: {method: seconds of a cell while all workers are busy}.
        finished: {method: cells that are finished}.
        tables_of_cell: Seconds of the tables, for each cell.
        evidence: Seconds of the evidence that do not depend on the number of splits.
        synthetic_evidence: What those of synthetic images depend on; None without any.
        evidence_of_split: Seconds of the evidence, for each split.
        report_of_cell: Seconds of the report, for each cell.
        generators: Methods that make synthetic images.
    """

    spent: Mapping[str, float]
    n_workers: int
    start: float
    cells: Mapping[str, float]
    finished: Mapping[str, int] = field(default_factory=dict)
    tables_of_cell: float = 0.0
    evidence: float = 0.0
    synthetic_evidence: SyntheticEvidence | None = None
    evidence_of_split: float = 0.0
    report_of_cell: float = 0.0
    generators: frozenset[str] = frozenset()

    def stages(
        self,
        methods: Sequence[str],
        n_splits: int,
        n_seeds: int,
        limits: Mapping[str, int] | None = None,
    ) -> dict[str, float]:
        """Return the seconds of every stage of a study, what is spent included.

        Args:
            methods: Names.
            n_splits: Splits.
            n_seeds: Seeds.
            limits: {method: number of splits}, where it is not `n_splits`.

        Example:
            >>> costs = StudyCosts(spent={"reading": 5.0}, n_workers=2, start=3.0,
            ...                    cells={"none": 4.0, "crt": 6.0}, finished={"none": 1})
            >>> costs.stages(["none", "crt"], n_splits=3, n_seeds=1)["training"]
            16.0
        """
        n_cells, missing = 0, 0.0
        generated: dict[str, int] = {}  # runs of each method with synthetic images
        for method in methods:
            n_runs = (limits or {}).get(method, n_splits) * n_seeds
            n_cells += n_runs
            if method in self.generators:
                generated[method] = n_runs
            n_missing = max(0, n_runs - self.finished.get(method, 0))
            missing += self.cells[method] * n_missing
        seconds = dict(self.spent)
        if missing:
            training = self.start + missing / self.n_workers
            seconds[TRAINING] = seconds.get(TRAINING, 0.0) + training
        seconds[TABLES] = self.tables_of_cell * n_cells
        seconds[EVIDENCE] = self.evidence + self.evidence_of_split * n_splits
        if self.synthetic_evidence is not None and generated:
            n_generated_splits = max(generated.values()) // n_seeds
            seconds[EVIDENCE] += self.synthetic_evidence.seconds(
                list(generated.values()), n_generated_splits
            )
        seconds[REPORT] = self.report_of_cell * n_cells
        return seconds

    def total(
        self,
        methods: Sequence[str],
        n_splits: int,
        n_seeds: int,
        limits: Mapping[str, int] | None = None,
    ) -> float:
        """Return the seconds of a study from its start to its report; see `stages`."""
        return sum(self.stages(methods, n_splits, n_seeds, limits).values())

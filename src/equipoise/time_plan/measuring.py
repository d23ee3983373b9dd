"""Measure what the cells of a study cost and how much they vary, by training the first of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from equipoise.experiments.running.probes import step_counts
from equipoise.experiments.study import Study
from equipoise.runs.run import Run
from equipoise.runs.stage_seconds import PLANNING, PREPARING, TABLES, read_stage_seconds
from equipoise.time_plan.choosing import choose
from equipoise.time_plan.costs import StudyCosts
from equipoise.time_plan.pilot import Pilot, probed_seconds
from equipoise.time_plan.power_of_study import StudyPower
from equipoise.time_plan.spread import measure_spread

PILOT_SPLITS = 5
REBALANCED = "oversampling"  # has as many training images as the method of a generator
REBALANCED_FACTOR = 1.5  # of the baseline's seconds, where that method is not trained
# Seconds after the cells, measured on two cores.
EVIDENCE, EVIDENCE_OF_GENERATOR = 12.0, 45.0
EVIDENCE_OF_SPLIT = 1.0  # in units of the baseline's cell
REPORT_OF_CELL = 0.1


@dataclass(frozen=True, kw_only=True)
class PilotTask:
    """What a pilot measures.

    Attributes:
        study: All methods, and the most splits and seeds that it may have.
        pilot: Trains the cells; they stay in the run folder.
        power: Computed from assumptions.
        seconds: The time of the plan.
        limit: The most seconds that the pilot's cells may take; None where they stay in the study.
    """

    study: Study
    pilot: Pilot
    power: StudyPower
    seconds: float
    limit: float | None

    def measure(self) -> tuple[StudyCosts, StudyPower, Run]:
        """Train the first cells, time them and the rest, and measure how much they vary.

        The first split shows how many more the pilot can have.

        Returns:
            What the study costs, what it can find, and the pilot's cells.
        """
        part = self._part()
        self.pilot.prepare(part)
        with self.pilot.stages.stage(PLANNING):
            probed = self._probed(part)
        cells = self.pilot.train(part, 1)
        n_splits = self._pilot_splits(self._costs(part, cells, probed, n_splits=1))
        if n_splits > 1:
            cells = self.pilot.train(part, n_splits)
        run, tables_of_cell = self.pilot.tabulate()
        costs = self._costs(part, cells, probed, n_splits=n_splits)
        spread = measure_spread(run.images, self.power.size(1, 1, max(2, len(part.methods))))
        costs = replace(costs, tables_of_cell=tables_of_cell)
        return costs, replace(self.power, spread=spread), run

    def _part(self) -> Study:
        """Return the study of the methods that are cheap enough to be trained in the pilot."""
        methods = {}
        for name in self.power.options.methods:
            if name == self.study.baseline_name or not generates(self.study, name):
                methods[name] = self.study.methods[name]
        return replace(self.study, methods=methods, seeds=self.study.seeds[:1])

    def _probed(self, part: Study) -> dict[str, float]:
        """Estimate what the other methods do before their classifier is trained."""
        others = [name for name in self.study.methods if name not in part.methods]
        return probed_seconds(self.study, others, self.pilot.executor) if others else {}

    def _pilot_splits(self, costs: StudyCosts) -> int:
        options = self.power.options
        rough = choose(costs, options, self.seconds, self.power.mean_detectable)
        if options.seeds_are_units or rough is None:
            return 1
        n_splits = min(PILOT_SPLITS, rough.n_units)
        if self.limit is not None:
            of_split = sum(costs.cells[name] for name in self._part().methods) / costs.n_workers
            n_splits = min(n_splits, int(self.limit / of_split))
        return max(1, n_splits)

    def _costs(
        self, part: Study, cells: Mapping[str, float], probed: Mapping[str, float], *, n_splits: int
    ) -> StudyCosts:
        clock = self.pilot.stages
        spent = read_stage_seconds(self.pilot.store.folder)
        for stage, seconds in clock.seconds.items():
            spent[stage] = spent.get(stage, 0.0) + seconds
        outside = clock.elapsed - sum(clock.seconds.values())  # imports, splits, duplicates
        spent[PLANNING] = spent.get(PLANNING, 0.0) + spent.pop(TABLES, 0.0) + outside
        baseline = cells[part.baseline_name]
        rebalanced = cells.get(REBALANCED, REBALANCED_FACTOR * baseline)
        seconds_of = dict(cells)
        for name, seconds in probed.items():
            seconds_of[name] = seconds + rebalanced
            if generates(self.study, name):
                seconds_of[name] += self._synthetic_seconds(spent.get(PREPARING, 0.0))
        return StudyCosts(
            spent=spent,
            n_workers=self.pilot.executor.n_workers,
            start=self.pilot.start,
            cells=seconds_of,
            finished=dict.fromkeys(part.methods, n_splits),
            evidence=EVIDENCE,
            evidence_of_generator=EVIDENCE_OF_GENERATOR,
            evidence_of_split=EVIDENCE_OF_SPLIT * baseline,
            report_of_cell=REPORT_OF_CELL,
            generators=frozenset(
                name for name in self.study.methods if generates(self.study, name)
            ),
        )

    def _synthetic_seconds(self, preparing: float) -> float:
        """Return the seconds of the features of the synthetic images that fill classes up."""
        counts = self.study.images.subset(self.study.splits[0].train).counts
        n_synthetic = int((counts.max() - counts).sum())
        of_image = preparing / len(self.study.images)  # on all cores; a cell has one of them
        return n_synthetic * of_image * self.pilot.executor.n_workers


def generates(study: Study, method: str) -> bool:
    """Return whether a method trains a generator before its classifier."""
    *resamplers, _ = study.methods[method].steps
    return any(step_counts(resampler) for _, resampler in resamplers)

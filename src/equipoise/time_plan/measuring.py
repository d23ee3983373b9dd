"""Measure what the cells of a study cost and how much they vary, by training the first of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from equipoise.data.splits import PARTS
from equipoise.experiments.running.probes import step_counts
from equipoise.experiments.study import Study
from equipoise.randomness import make_rng
from equipoise.runs.run import Run
from equipoise.runs.stage_seconds import PLANNING, PREPARING, TABLES, read_stage_seconds
from equipoise.time_plan.choosing import choose
from equipoise.time_plan.costs import StudyCosts
from equipoise.time_plan.pilot import Pilot, probed_seconds
from equipoise.time_plan.plan import TrainingSetting
from equipoise.time_plan.power_of_study import StudyPower
from equipoise.time_plan.shortest import refuse_used_up
from equipoise.time_plan.spread import measure_spread
from equipoise.time_plan.synthetic_evidence import SyntheticEvidence

PILOT_SPLITS, FROZEN_PILOT_SPLITS = 5, 10  # at most; heads take seconds
LEAST_OF_CLASS = 60  # images of a class in a sample
REBALANCED = "oversampling"  # has as many training images as the method of a generator
REBALANCED_FACTOR = 1.5  # of the baseline's seconds, where that method is not trained
# Seconds after the cells, measured on two cores.
EVIDENCE = 12.0
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
        setting: How the cells are trained.
        limit: The most seconds that the pilot may take; None where its cells stay in the study.
            Then a sample of the images stands for all where their features would take longer, and
            a single cell for all where networks are trained.
        extractors: Seconds of an image in each extractor of the evidence about synthetic images.
    """

    study: Study
    pilot: Pilot
    power: StudyPower
    setting: TrainingSetting
    seconds: float
    limit: float | None
    extractors: Sequence[float] = ()

    @property
    def share(self) -> float:
        """Share of the images that the pilot trains on."""
        features = self.setting.unit_seconds * len(self.study.images)
        if self.limit is None or not self.setting.frozen or features <= self.limit:
            return 1.0
        return self.limit / features

    def measure(self) -> tuple[StudyCosts, StudyPower, Run]:
        """Train the first cells, time them and the rest, and measure how much they vary.

        The first split shows how many more the pilot can have.

        Returns:
            What the study costs, what it can find, and the pilot's cells.
        """
        part = self._part()
        self.pilot.prepare(part)
        refuse_used_up(
            self.seconds,
            self.setting,
            elapsed=self.pilot.stages.elapsed,
            n_images=len(self.study.images),
            n_workers=self.pilot.executor.n_workers,
        )
        with self.pilot.stages.stage(PLANNING):
            probed = self._probed(part)
        cells = self.pilot.train(part, 1)
        n_splits = self._pilot_splits(self._costs(part, cells, probed, n_splits=1))
        if n_splits > 1:
            cells = self.pilot.train(part, n_splits)
        run, tables_of_cell = self.pilot.tabulate()
        costs = self._costs(part, cells, probed, n_splits=n_splits)
        costs = replace(costs, tables_of_cell=tables_of_cell / self.share)
        power = self.power
        if self.share == 1:
            spread = measure_spread(run.images, power.size(1, 1, max(2, len(part.methods))))
            power = replace(power, spread=spread)
        return costs, power, run

    def _part(self) -> Study:
        """Return the study of the methods that are cheap enough to be trained in the pilot."""
        methods = {}
        for name in self.power.options.methods:
            if name == self.study.baseline_name or not generates(self.study, name):
                methods[name] = self.study.methods[name]
        if self.limit is not None and not self.setting.frozen:
            methods = {self.study.baseline_name: methods[self.study.baseline_name]}
        part = replace(self.study, methods=methods, seeds=self.study.seeds[:1])
        return part if self.share == 1 else sampled(part, self.share)

    def _probed(self, part: Study) -> dict[str, float]:
        """Estimate what the other methods do before their classifier is trained."""
        others = [name for name in self.study.methods if name not in part.methods]
        return probed_seconds(self.study, others, self.pilot.executor) if others else {}

    def _pilot_splits(self, costs: StudyCosts) -> int:
        options = self.power.options
        rough = choose(costs, options, self.seconds, self.power.mean_detectable)
        if options.seeds_are_units or rough is None:
            return 1
        most = FROZEN_PILOT_SPLITS if self.setting.frozen else PILOT_SPLITS
        n_splits = min(most, rough.n_units)
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
        spent[PREPARING] = spent.get(PREPARING, 0.0) / self.share
        baseline = cells[part.baseline_name] / self.share
        rebalanced = REBALANCED_FACTOR * baseline
        if REBALANCED in cells:
            rebalanced = cells[REBALANCED] / self.share
        seconds_of = dict.fromkeys(self.power.options.methods, baseline)
        seconds_of |= {name: seconds / self.share for name, seconds in cells.items()}
        for name, seconds in probed.items():
            seconds_of[name] = seconds + rebalanced
            if generates(self.study, name):
                seconds_of[name] += self._synthetic_seconds(spent[PREPARING])
        return StudyCosts(
            spent=spent,
            n_workers=self.pilot.executor.n_workers,
            start=self.pilot.start,
            cells=seconds_of,
            finished=dict.fromkeys(part.methods, n_splits),
            evidence=EVIDENCE,
            synthetic_evidence=SyntheticEvidence.of(self.study, self.extractors),
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


def sampled(study: Study, share: float) -> Study:
    """Return a study of a random share of the images of each class in every part of a split."""
    rng = make_rng(0, "sample of a plan")
    labels = study.images.labels
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        chosen[rows[: max(LEAST_OF_CLASS, round(share * len(rows)))]] = True
    splits = []
    for split in study.splits:
        parts = {}
        for part in PARTS:
            rows = getattr(split, part)
            parts[part] = rows[chosen[rows]]
        splits.append(replace(split, **parts))
    return replace(study, splits=splits)


def generates(study: Study, method: str) -> bool:
    """Return whether a method trains a generator before its classifier."""
    *resamplers, _ = study.methods[method].steps
    return any(step_counts(resampler) for _, resampler in resamplers)

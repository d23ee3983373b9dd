"""Where the processor's time of a study goes, stage by stage: a default study, and one of heads.

Usage: python -m benchmarks.stages [--json FILE] [--only default float32 frozen]

CPU seconds of one thread, in a process for each study. A stage excludes those inside it.

- default: five methods without a generator from scratch, on 400 drawn films of 64 px, one cell of
  each, with a twelfth of the usual steps. `whole` is what 9 cells of each method with all steps
  take: stages of cells times 9, training and evaluation also times 12.
- float32: the same with all networks in float32, where `default` has bfloat16 if the processor
  does.
- frozen: every sixth of 48 heads on 5,000 drawn films of 128 px with features as long as those of
  mobilenet_v2, one cell of each. The features are drawn; what they would take is measured on a few
  images. `whole` is what 50 cells of each of the 48 take. Tables grow in proportion to the cells
  (see benchmarks.growth); evidence is bounded, so that it is counted once.
"""

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from imblearn.pipeline import Pipeline
from PIL import Image

from benchmarks import duplicates
from equipoise.arrays import Images
from equipoise.atomic import write_json
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.estimators.frozen.extractor import FrozenExtractor
from equipoise.estimators.frozen.views import View
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import gather_evidence
from equipoise.experiments.image_plan import plan_study
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import AUTO, FLOAT32, FROZEN, Budget, Protocol
from equipoise.experiments.running.environment import machine, versions
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.forecast import estimate
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.report.html import write_report
from equipoise.results.tables import write_all_tables
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore

DEFAULT_METHODS = ("none", "class_weights", "oversampling", "balanced_softmax", "crt")
STUDIES = ("default", "float32", "frozen")
POLICIES = ("best", "last")  # of the weight decay: each method under both
HEAD_METHODS = (
    *("none", "class_weights", "rwwce", "focal", "class_balanced", "class_balanced_focal", "ldam"),
    *("ldam_drw", "balanced_softmax", "posthoc_logit_adjustment", "two_sigmoid", "crt", "tau_norm"),
    *("balanced_batches", "square_root_batches", "progressive_batches", "oversampling"),
    *("undersampling", "replay", "replay_half", "replay_crt", "smote_features"),
    *("borderline_smote_features", "adasyn_features"),
)
STEPS_SHARE = 12  # steps of a default study / steps here, which see one validation evaluation
HEADS_SHARE = 6  # heads of a frozen study / heads here
TIMED = {  # function -> stage; those of one study overlap, and the innermost counts
    "equipoise.experiments.image_plan.find_duplicates": "duplicates",
    "equipoise.data.dataset.ImageDataset.resample": "resampling",
    "equipoise.estimators.frozen.extractor.FrozenExtractor.__call__": "features",
    "equipoise.estimators.frozen.extractor.FrozenExtractor.fill": "features",
    "equipoise.estimators.classifier.ImageClassifier.fit": "classifier",
    "equipoise.estimators.frozen.classifier.FrozenClassifier.fit": "classifier",
    "equipoise.estimators.first_stage.validation_scores": "evaluation",
    "equipoise.estimators.first_stage.logits_of": "evaluation",
    "equipoise.experiments.running.fit_classifier.predict_part": "evaluation",
    "equipoise.runs.store.RunStore.write": "saving",
}
DRAWING = "drawing features"  # which a real study does not
UNDIVIDED = ("forecast", "evidence", DRAWING)  # stages that train and predict themselves
OF_CELLS = ("resampling", "features", "classifier", "evaluation", "saving", "rest of the cells")


@dataclass
class StageWatch:
    """Adds up the CPU seconds of nested stages; each second counts for the innermost one."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __post_init__(self) -> None:
        self._stages: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._switch()
        self._stages.append(name)
        try:
            yield
        finally:
            self._switch()
            self._stages.pop()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Time the functions in `TIMED` inside the block."""
        with ExitStack() as stack:
            for path, stage in TIMED.items():
                patcher = patch(path, autospec=False)
                original, _ = patcher.get_original()
                stack.enter_context(patch(path, self._timed(original, stage)))
            yield

    def _timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            if set(UNDIVIDED) & set(self._stages):
                return function(*arguments, **named)
            with self.stage(stage):
                return function(*arguments, **named)

        return timed

    def _switch(self) -> None:
        now = time.process_time()
        if self._stages:
            self.seconds[self._stages[-1]] += now - self._since
        self._since = now


def write_films(folder: Path, images: Images, n_rare: int) -> None:
    for i, image in enumerate(images):
        path = folder / ("abnormal" if i < n_rare else "normal") / f"{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(path)


def profiled(study_name: str) -> dict[str, Any]:
    """Run a study from its images to its report; return the seconds of its stages."""
    watch = StageWatch()
    watch.seconds["start-up"] = time.process_time()
    n, side, n_rare = (400, 64, 80) if study_name != "frozen" else (5000, 128, 500)
    with tempfile.TemporaryDirectory() as name, watch.watching():
        films, out = Path(name, "films"), Path(name, "run")
        write_films(films, duplicates.draw(n, side), n_rare)
        with watch.stage("reading"):
            loaded = read(films, ReadOptions(size=side, cache="off"))
        budget = budget_of(study_name)
        protocol = Protocol(methods=DEFAULT_METHODS, n_splits=1, n_seeds=1, duplicates="merge")
        with watch.stage("planning"):
            study = plan_study(loaded, protocol, budget, name=study_name)
        per_feature = 0.0
        if study_name == "frozen":
            study = with_heads(study)
            with watch.stage(DRAWING):
                per_feature = fill_features(study, RunStore(out))
        finish(study, RunStore(out), watch)
    seconds = {stage: round(value, 2) for stage, value in watch.seconds.items()}
    seconds.pop(DRAWING, None)
    n_cells = len(list(study.cells()))
    whole = {}
    for stage, value in seconds.items():
        times = 50 * HEADS_SHARE if study_name == "frozen" else 9
        if stage in ("classifier", "evaluation") and study_name != "frozen":
            times *= STEPS_SHARE
        whole[stage] = round(value * (times if stage in (*OF_CELLS, "tables") else 1), 1)
    if study_name == "frozen":
        n_views = budget.views
        whole["computing features"] = round(per_feature * n * n_views, 1)
    return {
        "cells": n_cells,
        "seconds": seconds,
        "whole": whole,
        "whole_total": round(sum(whole.values()), 1),
        "load": round(os.getloadavg()[0], 1),
    }


def budget_of(study_name: str) -> Budget:
    if study_name != "frozen":
        precision = FLOAT32 if study_name == "float32" else AUTO
        n_steps = Budget().n_steps // STEPS_SHARE
        return Budget(n_steps=n_steps, precision=precision, device="cpu")
    return Budget(regime=FROZEN, network="mobilenet_v2", pretrained="random", device="cpu")


def with_heads(study: Study) -> Study:
    """Return the study with `HEAD_METHODS`, each with both policies."""
    methods: dict[str, Pipeline] = {}
    for policy in POLICIES:
        budget = replace(budget_of("frozen"), checkpoint=policy)
        for name, method in build_methods(HEAD_METHODS[::HEADS_SHARE], budget).items():
            methods[name if policy == POLICIES[0] else f"{name}-{policy}"] = method
    return replace(study, methods=methods)


def fill_features(study: Study, store: RunStore) -> float:
    """Store drawn features of all images; return the CPU seconds of a computed one."""
    rng = np.random.default_rng(0)
    compute = FrozenExtractor._compute
    started = time.process_time()
    classifier = study.methods["none"].steps[-1][1]
    n_timed = 16
    with tempfile.TemporaryDirectory() as folder:
        n_computed = classifier.prepare(study.images.images[:n_timed], (0.0, 255.0), Path(folder))
    per_feature = (time.process_time() - started) / int(n_computed)

    def drawn(self: FrozenExtractor, images: Images, view: View, progress: Any) -> Any:
        spreads = np.arange(1, self.dimension + 1) ** -0.75
        progress.advance(len(images))
        return (rng.normal(size=(len(images), self.dimension)) * spreads).astype(np.float16)

    with patch.object(FrozenExtractor, "_compute", drawn):
        classifier.prepare(study.images.images, (0.0, 255.0), store.workspace)
    assert FrozenExtractor._compute is compute
    return per_feature


def finish(study: Study, store: RunStore, watch: StageWatch) -> None:
    """Forecast a study, train it, and write tables, evidence and report."""
    executor = InProcess()
    with watch.stage("forecast"):
        estimate(study, store, executor)
    with watch.stage("rest of the cells"):
        run_study(study, store, executor=executor)
    with watch.stage("tables"):
        run = open_run(store.folder)
        results = write_all_tables(run)
    with watch.stage("evidence"):
        gather_evidence(FinishedRun(study, open_run(store.folder)))
    with watch.stage("report"):
        write_report(run, results)


def print_row(name: str, profile: Mapping[str, Any]) -> None:
    print(f"{name}: {profile['cells']} cells, load {profile['load']}")
    for stage, seconds in profile["whole"].items():
        share = seconds / profile["whole_total"]
        measured = profile["seconds"].get(stage, 0.0)
        print(f"  {stage:<20} {measured:>8.2f} s here {seconds:>9.1f} s whole {share:>6.1%}")
    print(f"  {'total':<20} {'':>15} {profile['whole_total']:>9.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers; other studies in it stay")
    parser.add_argument("--only", choices=STUDIES, nargs="+")
    arguments = parser.parse_args()
    profiles: dict[str, Any] = {}
    if arguments.json and arguments.json.is_file():
        profiles = json.loads(arguments.json.read_text(encoding="utf-8"))["studies"]
    for name in arguments.only or STUDIES:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            profiles[name] = pool.submit(profiled, name).result()
        print_row(name, profiles[name])
        if arguments.json:
            facts = {"command": "python -m benchmarks.stages", "machine": machine()}
            write_json(arguments.json, {**facts, "versions": versions(), "studies": profiles})


if __name__ == "__main__":
    main()

"""Damage small stored runs, and see whether anything that reads them differs without a word."""

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imblearn.pipeline import Pipeline
from tests.conftest import toy_dataset
from tests.fixtures.volume_run import drawn_brains, volume_study

from equipoise.arrays import fingerprint
from equipoise.data.splits import hold_out
from equipoise.deployment.choose_generator import load_generator
from equipoise.deployment.classify import choose_classifiers, scores_of_cells
from equipoise.deployment.generate import make_images
from equipoise.estimators.classifier import ImageClassifier
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import gather_evidence
from equipoise.exceptions import DamagedFileError
from equipoise.experiments.description import describe
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.networks.design import Networks
from equipoise.randomness import make_rng
from equipoise.report.html import write_report
from equipoise.report.run_contents import Contents
from equipoise.resampling.gan.oversampler import GANOversampler
from equipoise.resampling.gan.settings import Schedule
from equipoise.results.tables import write_all_tables
from equipoise.runs.description import CLASSIFICATION
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore
from tools.fuzz.isolation import DEAD_END, SILENT, Attempt, FaultError, Outcome
from tools.fuzz.mutations import Rng, damage

RUNS = ("classification", "segmentation")
PLACE = "run"  # a damaged run always has this name, which the report shows
WRITTEN_AGAIN = (".csv", ".html", ".lock")  # files of the run's folder that every command writes
DELETE = re.compile(r"Delete (?:the folder )?(\S+)(?: and (\S+))? and run")
COST = re.compile(rb'<section aria-labelledby="cost">.*?</section>', re.DOTALL)  # seconds, memory


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A finished run to damage.

    Attributes:
        study: Its study, which runs it again.
        folder: Where it is stored.
        files: What may be damaged, relative to the folder.
        results: Digests of tables, report and predictions by name, of each command of `READING`.
    """

    study: Study
    folder: Path
    files: tuple[str, ...]
    results: Mapping[str, Mapping[str, str]]


def image_study(_folder: Path) -> Study:
    """Return a study of two methods, one of which has a small generator."""
    toy = toy_dataset()
    classify = ("classify", ImageClassifier(n_steps=4, batch_size=8, device="cpu"))
    gan = GANOversampler(
        networks=Networks(base_channels=2, latent_size=20),
        schedule=Schedule(n_steps=4, batch_size=4),
        device="cpu",
    )
    methods = {"none": Pipeline([classify]), "gan": Pipeline([("balance", gan), classify])}
    splits = hold_out(toy, n_splits=2)
    return Study(name="toy", dataset=toy, splits=splits, methods=methods, seeds=(0,))


def brain_study(folder: Path) -> Study:
    """Return a study of two segmenters that learn nothing."""
    return volume_study(drawn_brains(folder / "prepared"))


STUDIES: Mapping[str, Callable[[Path], Study]] = dict(
    zip(RUNS, (image_study, brain_study), strict=True)
)


def build_runs(folder: Path) -> None:
    """Train the runs that are damaged."""
    for name, make_study in STUDIES.items():
        study = make_study(folder / name)
        store = RunStore(folder / name / "stored")
        if study.task == "classification":
            from equipoise.experiments.running.train_cell import pack_images

            pack_images(study.images, store)
        run_again(study, store.folder)


def make_attempt(seed: int, folder: Path) -> Attempt:
    """Return the attempt that damages a run, i in turn, and reads and continues it."""
    runs = []
    for name, make_study in STUDIES.items():
        runs.append(_open(make_study(folder / name), folder / name))
    workplace = folder / PLACE

    def attempt(index: int) -> None:
        stored = runs[index % len(runs)]
        shutil.rmtree(workplace, ignore_errors=True)
        shutil.copytree(stored.folder, workplace)
        rng = make_rng(seed, "damage", index)
        what = damage_run(workplace, stored, rng)
        try:
            check_run(workplace, stored, rng)
        except DamagedFileError as error:
            raise DamagedFileError(f"{what}: {error}") from error
        except FaultError as fault:
            raise FaultError(Outcome(fault.outcome.kind, f"{what}: {fault}")) from fault
        except Exception as error:
            error.add_note(what)
            raise

    return attempt


def damage_run(folder: Path, stored: StoredRun, rng: Rng) -> str:
    """Damage a file of a run, and say how."""
    name = stored.files[rng.integers(len(stored.files))]
    path = folder / name
    way = int(rng.integers(10))
    if way == 0:
        path.unlink()
        return f"{name} deleted"
    others = [other for other in stored.files if Path(other).suffix == path.suffix]
    others.remove(name)
    if way == 1 and others:
        other = others[rng.integers(len(others))]
        shutil.copyfile(folder / other, path)
        return f"{name} replaced by {other}"
    path.write_bytes(damage(path.read_bytes(), rng))
    return f"{name} damaged"


def check_run(folder: Path, stored: StoredRun, rng: Rng) -> None:
    """Report a damaged run and run it again: equal results, or refused with a way out.

    Raises:
        DamagedFileError: The damage was noticed, and following the advice led to equal results.
        FaultError: Results differ without a word, or the advice does not help.
    """
    noticed: DamagedFileError | None = None
    command = int(rng.integers(5))
    if command in READING:
        name, read = READING[command]
        try:
            _compare(read(folder), stored.results[name], name)
        except DamagedFileError as error:
            noticed = error
        else:
            return
    elif command == 2:  # a cell needs what the workspace contains
        cells = sorted(folder.glob("cells/*/*/*"))
        shutil.rmtree(cells[rng.integers(len(cells))])
    for _ in range(3):
        try:
            results = run_again(stored.study, folder)
            break
        except DamagedFileError as error:
            noticed = error
            follow(str(error))
    else:
        raise FaultError(Outcome(DEAD_END, str(noticed)))
    _compare(results, stored.results["report"], "run")
    if noticed is not None:
        raise noticed


def follow(advice: str) -> None:
    """Delete what messages say."""
    for first, second in DELETE.findall(advice):
        path = Path(first)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if second:
            path.with_name(second).unlink(missing_ok=True)


def run_again(study: Study, folder: Path) -> dict[str, str]:
    """Do what `equipoise run` does without its forecasts."""
    store = RunStore(folder)
    store.check(describe(study))
    run_study(study, store, executor=InProcess())
    with store.lock():
        gather_evidence(FinishedRun(study, open_run(folder)))
    return write_results(folder)


def write_results(folder: Path) -> dict[str, str]:
    """Do what `equipoise report` does, and digest the tables and the report, but not costs."""
    run = open_run(folder)
    write_report(Contents(run=run, results=write_all_tables(run)))
    results = {}
    for path in [*folder.glob("*.csv"), folder / "report.html"]:
        if path.name != "costs.csv":
            content = COST.sub(b"", path.read_bytes())
            results[path.name] = hashlib.sha256(content).hexdigest()
    return results


def use_networks(folder: Path) -> dict[str, str]:
    """Do what `equipoise predict` and `generate` do, and digest scores and images; {} of volumes.

    The segmenters of the stored run are no networks.
    """
    run = open_run(folder)
    if run.description.task != CLASSIFICATION:
        return {}
    images = toy_dataset(seed=1).pixels
    ensemble = choose_classifiers(run, method="gan", split=None, seed=None)
    scores = scores_of_cells(run, ensemble, images, corrected=False)
    results = {str(cell): fingerprint(array) for cell, array in scores.items()}
    generator = load_generator(run, ensemble.cells[0])
    results["generated"] = fingerprint(make_images(generator, 1, 4, seed=0, name="class-1"))
    return results


READING: Mapping[int, tuple[str, Callable[[Path], dict[str, str]]]] = {
    0: ("report", write_results),
    1: ("predict or generate", use_networks),
}


def _open(study: Study, place: Path) -> StoredRun:
    workplace = place.parent / PLACE
    shutil.rmtree(workplace, ignore_errors=True)
    shutil.copytree(place / "stored", workplace)
    results = {name: read(workplace) for name, read in READING.values()}
    shutil.rmtree(workplace)
    folder = place / "stored"
    files = []
    for path in sorted(folder.rglob("*")):
        written_again = path.parent == folder and path.suffix in WRITTEN_AGAIN
        if path.is_file() and not written_again and path.name != ".lock":
            files.append(path.relative_to(folder).as_posix())
    return StoredRun(study=study, folder=folder, files=tuple(files), results=results)


def _compare(results: Mapping[str, str], expected: Mapping[str, str], command: str) -> None:
    differing = []
    for name in sorted({*results, *expected}):
        if results.get(name) != expected.get(name):
            differing.append(name)
    if differing:
        raise FaultError(Outcome(SILENT, f"{command}: {', '.join(differing)}"))

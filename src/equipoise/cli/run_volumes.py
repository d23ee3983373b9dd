"""What `run` and `demo` do with --task segmentation."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from equipoise.cli.execution import execute, exit_for_failures
from equipoise.cli.options import RunOptions, comma_list
from equipoise.cli.typed_command import command_facts, execute_typed
from equipoise.experiments.protocol import VolumeBudget, VolumeProtocol


def demo_volumes(out: Path, *, workers: int | None) -> None:
    """Compare four ways of drawing patches on drawn brains."""
    from equipoise.experiments.demo import demo_volume_study
    from equipoise.experiments.running.executors import default_executor

    executor = default_executor(workers=workers)
    exit_for_failures(execute(demo_volume_study(out), out, executor))


def run_volumes(options: RunOptions) -> None:
    """Read volumes, plan the study and run it."""
    from equipoise.cli.bars import reading_bar
    from equipoise.data.reading import read_volumes
    from equipoise.experiments.volume_plan import (
        check_volume_plan,
        fold_faults,
        plan_volume_study,
    )

    protocol, budget = volume_protocol(options), volume_budget(options)
    check_volume_plan(protocol, budget)
    with reading_bar("Preparing cases") as progress:
        reading = options.volume_options(progress)
        reading = replace(reading, check_patients=partial(fold_faults, protocol=protocol))
        loaded = read_volumes(options.images, reading)
    loaded = replace(loaded, notes=(*(options.note or ()), *loaded.notes))
    facts = command_facts(options)
    study = plan_volume_study(loaded, protocol, budget, name=options.run_folder.name, facts=facts)
    execute_typed(study, options)


def volume_protocol(options: RunOptions) -> VolumeProtocol:
    """Return how methods are compared on volumes."""
    default = VolumeProtocol()
    return VolumeProtocol(
        methods=comma_list(options.methods) if options.methods else default.methods,
        n_seeds=options.seeds or default.n_seeds,
        n_folds=options.folds,
        primary_metric=options.metric or default.primary_metric,
    )


def volume_budget(options: RunOptions) -> VolumeBudget:
    """Return what each method may spend on volumes."""
    return VolumeBudget(
        n_steps=options.steps or VolumeBudget().n_steps,
        epoch_steps=options.epoch_steps,
        batch_size=options.patch_batch,
        patch_size=options.patch_size,
        width=options.width,
        precision=options.precision or VolumeBudget().precision,
        device=options.device,
    )

"""Simulated studies: how often the verdict's tests and intervals are right.

Each module is one simulation, run from the project's root:

    python -m simulations.NAME --json docs/results/simulations/NAME.json

It is deterministic; the output is committed with the numbers of replications and their standard
errors.
"""

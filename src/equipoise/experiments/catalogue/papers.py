"""The papers' own settings, whatever the budget: epochs, rates and sizes of appendix B of docs/methods.md."""

from equipoise.experiments.method import Method

METHODS: tuple[Method, ...] = ()

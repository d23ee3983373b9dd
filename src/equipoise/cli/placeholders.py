"""Placeholders for heavy libraries, so that what a module defines can be listed at once.

The idea is that of Sphinx's `autodoc_mock_imports`: whoever reads names and docstrings of a module
needs no tensors. The lines of every family are tested to be the same with the real libraries.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Dependencies that take long to import; all are required, so that none is made up.
HEAVY = ("imblearn", "pandas", "scipy", "sklearn", "torch")


class Placeholder:
    """Stands for anything that a module takes from a heavy library while it is imported.

    It is a decorator that changes nothing, a base class without methods, and the type of no value.
    """

    def __getattr__(self, name: str) -> "Placeholder":
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder()

    def __call__(self, *arguments: Any, **_settings: Any) -> Any:
        """Return what is decorated, unchanged, and else another placeholder."""
        return arguments[0] if len(arguments) == 1 and callable(arguments[0]) else Placeholder()

    def __getitem__(self, _key: Any) -> "Placeholder":
        return self

    def __or__(self, _other: Any) -> "Placeholder":  # in annotations: Tensor | None
        return self

    __ror__ = __or__

    def __mro_entries__(self, _bases: tuple[object, ...]) -> tuple[type, ...]:
        return (type("PlaceholderBase", (), {}),)  # a new one: a class may have several

    def __instancecheck__(self, _value: Any) -> bool:
        return False


class PlaceholderModule(ModuleType):
    """A module of a heavy library: each of its names is a placeholder."""

    def __getattr__(self, name: str) -> Placeholder:
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder()


class PlaceholderFinder(MetaPathFinder, Loader):
    """Finds the modules of heavy libraries, and makes placeholders of them."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Find a module of a heavy library."""
        if name.partition(".")[0] not in HEAVY:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Create a module of placeholders."""
        return PlaceholderModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Execute nothing."""


@contextmanager
def without_heavy_libraries() -> Iterator[None]:
    """Import modules inside the block with placeholders; what was imported so is forgotten after.

    Libraries that were imported before stay what they are.
    """
    import_module("numpy")  # here: it cannot be imported again after it was forgotten
    if any(name in sys.modules for name in HEAVY):
        yield
        return
    before = set(sys.modules)
    finder = PlaceholderFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            del sys.modules[name]

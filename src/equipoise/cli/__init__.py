"""The command line: every command is one or two calls of the Python API."""

from equipoise.cli.app import main

__all__ = ["main"]

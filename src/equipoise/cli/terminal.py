"""Where commands print: text from files can neither move the cursor nor change colors.

A text is markup only where the caller asks for it (`markup=True`): names such as [red] are names.
"""

from typing import Any

from rich.console import Console
from rich.text import Text

from equipoise.cli.voice import VOICE
from equipoise.names import printable


class Terminal(Console):
    """A console that writes control characters of its texts as escapes, without markup."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "quiet": VOICE.quiet, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        """See `rich.console.Console.render_str`."""
        return super().render_str(printable(text), **options)

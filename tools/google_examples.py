"""Extension of griffe: the section `Example:` of a docstring is code, as `Examples:` is."""

import re

import griffe

HEADING = re.compile(r"^(\s*)Example:$", flags=re.MULTILINE)


class GoogleExamples(griffe.Extension):
    """Rename `Example:` before a docstring is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rename the section of one class, function or module."""
        if obj.docstring is not None:
            obj.docstring.value = HEADING.sub(r"\1Examples:", obj.docstring.value)

"""`Reading`: how the data of a run were read, so that others can be read the same way."""

from dataclasses import dataclass, replace
from typing import Self

from equipoise.atomic import JsonFields, JsonValue
from equipoise.data.images.options import ReadOptions
from equipoise.data.volumes.options import VolumeOptions

IMAGES = "images"
VOLUMES = "volumes"
DEMO = "demo"
PYTHON = "python"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the images or volumes of a run were read.

    Attributes:
        source: "images" or "volumes" where a reader read files, "demo" for the drawn cells of the
            demo, "python" for a data set that was built in Python.
        options: Options of the reader, without `progress`; None without a reader.
        duplicates: What was done about copies on both sides of a split: "refuse", "merge" or
            "report".
        protocol: Name of the protocol in the study file that made the run; None where it has none.

    Example:
        >>> reading = Reading(source="images", options=ReadOptions(size=64, fit="crop"))
        >>> reading.to_json()["options"]["fit"]
        'crop'
        >>> Reading.from_json(reading.to_json()) == reading
        True
    """

    source: str = PYTHON
    options: ReadOptions | VolumeOptions | None = None
    duplicates: str | None = None
    protocol: str | None = None

    def __post_init__(self) -> None:
        if self.options is not None:  # a progress bar belongs to one process
            object.__setattr__(self, "options", replace(self.options, progress=None))

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the record from its JSON object.

        Raises:
            KeyError: A key is missing.
            SettingError: An option has a value that this version does not know.
        """
        options: ReadOptions | VolumeOptions | None = None
        if value["options"] is not None:
            kind = VolumeOptions if value["source"] == VOLUMES else ReadOptions
            options = kind.from_json(value["options"])
        return cls(
            source=value["source"],
            options=options,
            duplicates=value["duplicates"],
            protocol=value["protocol"],
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object."""
        return {
            "source": self.source,
            "options": None if self.options is None else self.options.to_json(),
            "duplicates": self.duplicates,
            "protocol": self.protocol,
        }

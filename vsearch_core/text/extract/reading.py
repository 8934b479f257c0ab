"""What a run allows beyond reading: a password to try, and recognising text in pictures."""

from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are to be read. `password` is tried on encrypted ones, `ocr` reads the pages that are only pictures.

    The names of the fields are what `ExtractionError.option` says that a file needs.
    """

    password: str = field(default="", repr=False)
    ocr: bool = False

    @property
    def unset(self) -> list[str]:
        """The options that this reading does without."""
        return [each.name for each in fields(self) if not getattr(self, each.name)]

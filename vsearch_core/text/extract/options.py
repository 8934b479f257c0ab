"""Options and limits of extracting the text of a file."""

from dataclasses import dataclass, field

from vsearch_core.errors import EncryptedError, ExtractionError, PicturesOnlyError, SecretFileError


@dataclass(frozen=True, slots=True)
class ExtractLimits:
    """Limits on what a file may grow to while its text is extracted. A file that exceeds one is refused.

    They bound the memory and time of compressed, repetitive and deeply nested files, whose size says little.
    """

    unpacked_bytes: int = 100_000_000  # of a single file behind gzip, bzip2 or xz
    expanded_bytes: int = 300_000_000  # of all compressed members of a package together
    text_chars: int = 60_000_000  # of a document; a thousand novels have fewer
    paragraph_chars: int = 10_000_000  # between two line ends, of formats whose paragraphs are assembled
    markup_bytes: int = 4_000_000  # of one piece of markup: a tag with all its attributes, a comment
    parts: int = 20_000  # members of a package, messages of a mailbox, cells of a notebook
    headings: int = 200_000  # of a document, and as many blocks of code or rows
    depth: int = 500  # elements, parts or groups inside one another
    mail_lines: int = 2_000_000  # of a message: each may be a header
    html_chars: int = 16_000_000  # of a page that is parsed into a tree, which can take forty times the memory
    html_tags: int = 1_000_000


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """Options of extraction.

    `password` is tried on encrypted files; `ocr` recognises text on pages without any; `secrets` reads files that are
    private keys, too. `nesting` counts the documents around this one: those it is a part of.
    """

    password: str = field(default="", repr=False)
    ocr: bool = False
    secrets: bool = False
    limits: ExtractLimits = ExtractLimits()
    nesting: int = 0

    @property
    def unset(self) -> list[str]:
        """The names of the options that are not in use and could make more files readable."""
        return [name for name in _REMEDIES.values() if not getattr(self, name)]


DEFAULTS = ExtractOptions()
_REMEDIES: dict[type[ExtractionError], str] = {
    EncryptedError: "password",
    PicturesOnlyError: "ocr",
    SecretFileError: "secrets",
}


def remedy(error: ExtractionError) -> str:
    """Return the name of the option of `ExtractOptions` that could make the file readable, "" if none could."""
    return _REMEDIES.get(type(error), "")

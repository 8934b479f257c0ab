"""What packages say about themselves: the metadata of OOXML, ODF and EPUB, which all use Dublin Core's names."""

from collections.abc import Mapping

from vsearch_core.model import JsonValue
from vsearch_core.text.extract.spaces import one_line

MAX_VALUE = 2000  # characters of one value
_NAMES = {  # element -> our key; the first value counts, several creators and keywords are joined
    "title": "title",
    "creator": "author",
    "initial-creator": "author",
    "subject": "subject",
    "keyword": "keywords",
    "keywords": "keywords",
    "description": "description",
    "language": "language",
    "created": "created",
    "creation-date": "created",
    "modified": "modified",
    "date": "date",
    "publisher": "publisher",
    "category": "category",
}
_JOINED = {"author", "keywords"}


class Properties:
    """A `Handler` that collects Dublin Core elements, wherever in the document they stand."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._key: str | None = None
        self._text: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._key = _NAMES.get(tag)
        self._text.clear()

    def data(self, text: str) -> None:
        if self._key and len(self._text) < MAX_VALUE:
            self._text.append(text[:MAX_VALUE])

    def end(self, tag: str) -> None:
        key, value = self._key, one_line("".join(self._text))[:MAX_VALUE]
        self._key = None
        if key and value:
            former = self.values.setdefault(key, value)
            if key in _JOINED and value not in former and len(former) < MAX_VALUE:
                self.values[key] = f"{former}, {value}"

    @property
    def title(self) -> str | None:
        return self.values.get("title")

    @property
    def language(self) -> str | None:
        """The language's code without its country."""
        return self.values.get("language", "").partition("-")[0].lower() or None

    @property
    def metadata(self) -> dict[str, JsonValue]:
        """All but title and language."""
        return {key: value for key, value in self.values.items() if key not in {"title", "language"}}

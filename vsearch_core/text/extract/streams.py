"""Reads the streams of an OLE container (old Office files), with the package olefile and within limits."""

import io
from datetime import datetime
from importlib.util import find_spec

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.model import JsonValue
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import damaged, too_large
from vsearch_core.text.extract.headings import useful_title
from vsearch_core.text.extract.options import ExtractLimits

_MAX_VALUE = 2000  # characters of one property
_KEYS = ("author", "subject", "keywords", "category")  # names of properties of the document
_NO_YEAR = 1601  # of a time that isn't set
_TIMES = {"create_time": "created", "last_saved_time": "modified"}


class Streams:
    """The streams of a container, by name. Methods raise ExtractionError if it is damaged or too large."""

    def __init__(self, name: str, data: bytes, kind: str, limits: ExtractLimits) -> None:
        """Open the container. `kind` is the name of the format, for errors.

        Raises BinaryFileError if olefile isn't installed.
        """
        require("olefile", name)
        import olefile

        self._name, self._kind = name, kind
        self._left = limits.expanded_bytes
        try:
            self._container = olefile.OleFileIO(io.BytesIO(data))
            self._names = {"/".join(path).lower() for path in self._container.listdir()}
        except MemoryError:
            raise
        except Exception as error:  # olefile raises many kinds for damaged files
            raise damaged(name, kind, error) from None

    def __contains__(self, stream: str) -> bool:
        """Return True if there is a stream of this name. As in Office, upper and lower case are the same."""
        return stream.lower() in self._names

    def read(self, stream: str) -> bytes:
        """Return the bytes of a stream; b"" if there is none of this name."""
        if stream not in self:
            return b""
        try:
            self._left -= self._container.get_size(stream)
            if self._left < 0:
                raise too_large(self._name)
            content: bytes = self._container.openstream(stream).read()
            return content
        except (ExtractionError, MemoryError):
            raise
        except Exception as error:
            raise damaged(self._name, self._kind, error) from None

    def properties(self) -> tuple[str | None, dict[str, JsonValue]]:
        """Return the title of the document and its other properties. What is damaged is left out."""
        try:
            found = self._container.get_metadata()
            encoding = f"cp{found.codepage}" if found.codepage and found.codepage not in {1200, 65001} else "utf-8"
        except MemoryError:
            raise
        except Exception:
            return None, {}

        def text(key: str) -> str:
            value = getattr(found, key)
            if isinstance(value, bytes):
                try:
                    value = value.decode(encoding, errors="replace")
                except LookupError:  # an unknown code page
                    value = value.decode("cp1252", errors="replace")
            return one_line(value.replace("\0", ""))[:_MAX_VALUE] if isinstance(value, str) else ""

        metadata: dict[str, JsonValue] = {key: text(key) for key in _KEYS if text(key)}
        for key, name in _TIMES.items():
            time = getattr(found, key)
            if isinstance(time, datetime) and time.year > _NO_YEAR:
                metadata[name] = time.isoformat()
        return useful_title(text("title")), metadata


def require(module: str, name: str) -> None:
    """Raise BinaryFileError if a module of the extra "office", which the file `name` needs, isn't installed."""
    if find_spec(module) is None:
        reason = f"is an Office file from before 2007, which needs {module}"
        raise BinaryFileError(name, reason, "extra-missing", extra="office")

"""Translate the errors of the libraries that read a model's files and run it."""

from collections.abc import Iterator
from contextlib import contextmanager

from vsearch_core.errors import ModelError, VsearchError, first_line


@contextmanager
def model_errors(subject: str, reason: str, code: str | None = None) -> Iterator[None]:
    """Raise a ModelError for any error in the block but vsearch's own and the operating system's.

    That includes a panic of a library in Rust, which is no `Exception`, and a lack of memory.
    """
    try:
        yield
    except (VsearchError, OSError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except MemoryError as error:
        raise ModelError(subject, f"{reason} (it needs more memory than there is)", code) from error
    except BaseException as error:  # pyo3_runtime.PanicException has no narrower base
        raise ModelError(subject, f"{reason} ({first_line(error)})", code) from error


@contextmanager
def crashes(subject: str) -> Iterator[None]:
    """Raise a ModelError for a panic or a lack of memory in the block; other errors pass."""
    try:
        yield
    except (Exception, KeyboardInterrupt, SystemExit, GeneratorExit) as error:
        if isinstance(error, MemoryError):
            raise ModelError(subject, "needs more memory than there is") from error
        raise
    except BaseException as error:
        raise ModelError(subject, f"failed ({first_line(error)})") from error

"""Where compiled kernels are kept. numba writes them, once a machine, and looks for them at every start."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from vsearch_core import config

VARIABLE = "NUMBA_CACHE_DIR"


def folder() -> Path:
    """The folder for this version's kernels: what the user set for numba, else one in vsearch's cache folder.

    numba compares a kernel's own file only, not those of the kernels that it calls: hence a name that changes when
    any of them does.
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    digest = blake2b(digest_size=8)
    for source in sorted((Path(__file__).parent / "kernels").glob("*.py")):
        digest.update(source.read_bytes())
    return config.cache_dir() / "kernels" / digest.hexdigest()


def use() -> None:
    """Point numba, which must not be imported yet, to the folder, or to a temporary one where it can't be written."""
    chosen = folder()
    if not _is_writable(chosen):
        chosen = _temporary()  # numba refuses to compile where it can't write
    os.environ[VARIABLE] = str(chosen)


def loaded(load: Callable[[], None]) -> None:
    """Run what loads kernels, in one process at a time: numba writes its files as if there were no other.

    A cache that can't be read, as a power cut may leave it, is deleted and made again.
    """
    if not os.environ.get(VARIABLE):
        use()
    place = Path(os.environ[VARIABLE])
    with _lock(place):
        try:
            load()
        except Exception:  # unpickling a damaged file may raise anything
            for path in place.glob("kernels_*/*.nb?"):  # numba's name for the files of this folder's modules
                path.unlink(missing_ok=True)
            load()


@contextmanager
def _lock(place: Path) -> Iterator[None]:
    from filelock import FileLock

    lock = FileLock(place / "lock")
    with suppress(OSError):  # a folder that can't be written is not written by others either
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _is_writable(path: Path) -> bool:
    from tempfile import TemporaryFile

    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            return True
    except OSError:
        return False


def _temporary() -> Path:
    """A folder of this process; one with a fixed name could be filled by somebody else with code of theirs."""
    import atexit
    from shutil import rmtree
    from tempfile import mkdtemp

    path = mkdtemp(prefix="vsearch-")
    atexit.register(rmtree, path, ignore_errors=True)
    return Path(path)

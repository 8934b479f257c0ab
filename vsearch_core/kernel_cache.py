"""Where compiled kernels are kept. numba writes them, once a machine, and looks for them at every start."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from threading import Thread

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


def _go_on() -> None:
    pass


def load(loader: Callable[[], None], pause: Callable[[], object] = _go_on) -> None:
    """Run what loads kernels, in one process at a time: numba writes its files as if there were no other.

    A cache that can't be read, as a power cut may leave it, is deleted and made again. `pause` is called all the while;
    what it raises, or a KeyboardInterrupt, ends the wait at once, and leaves the compiler at work behind.
    """
    if not os.environ.get(VARIABLE):
        use()
    place = Path(os.environ[VARIABLE])
    with _lock(place):
        if _failure(loader, pause) is None:
            return
        for path in place.glob("kernels_*/*.nb?"):  # numba's name for the files of this folder's modules
            path.unlink(missing_ok=True)
        failure = _failure(loader, pause)
        if failure is not None:
            raise failure


def _failure(loader: Callable[[], None], pause: Callable[[], object]) -> Exception | None:
    """What loading raised: for a damaged file that may be anything.

    It has a thread of its own, since signals come to the main one: what a signal's handler raises while LLVM calls
    Python back is printed and forgotten (https://docs.python.org/3/library/sys.html#sys.unraisablehook).
    """
    failures: list[Exception] = []

    def run() -> None:
        try:
            loader()
        except Exception as error:
            failures.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        pause()
        thread.join(0.05)
    return failures[0] if failures else None


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

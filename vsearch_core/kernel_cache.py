"""Manage the folder in which numba caches compiled kernels, and share it safely between processes.

A kernel is a function that numba compiles to machine code. Compiling all of them takes half a minute, so numba stores
the results on disk, and later processes load them.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread

from vsearch_core import config
from vsearch_core.own_files import file_lock, make_own_folders

# numba has one cache folder a process, so these settings are global, too.
_wanted: Path | None = None  # set by the application
_cache_dir: Path | None = None  # set by the application
_chosen: Path | None = None  # set when a kernel is first needed


def configure(*, cache_dir: Path | None = None, folder: Path | None = None) -> None:
    """Set the folder in which kernels are cached.

    This is `folder` itself if it is given, else a subfolder of `cache_dir`, vsearch's cache folder (by default the
    platform's). Call this before any kernel is loaded. The library doesn't read numba's environment variable
    NUMBA_CACHE_DIR; an application can pass its value as `folder`.
    """
    global _wanted, _cache_dir, _chosen
    _wanted, _cache_dir, _chosen = folder, cache_dir, None


def default_folder() -> Path:
    """Return the subfolder of vsearch's cache folder for this version's kernels.

    numba compiles a cached kernel again if the kernel's own file has changed, but not if another kernel that it calls
    has changed. The folder's name is therefore a hash of the source code of all kernels.
    """
    from hashlib import blake2b

    digest = blake2b(digest_size=8)
    for source in sorted((Path(__file__).parent / "kernels").glob("*.py")):
        digest.update(source.read_bytes())
    return (_cache_dir or config.default_cache_dir()) / "kernels" / digest.hexdigest()


def folder() -> Path:
    """Return the folder in which kernels are cached. Create it if it is missing.

    If the configured folder can't be written, return a temporary folder of this process, because numba refuses to
    compile without a cache folder.
    """
    global _chosen  # noqa: PLW0603
    if _chosen is None:
        wanted = _wanted or default_folder()
        _chosen = wanted if _is_writable(wanted) else _temporary()
    return _chosen


def point_numba() -> None:
    """Set numba's cache folder to `folder()`, for all functions that are decorated after this call."""
    from vsearch_core.numba_loader import import_numba

    import_numba().config.CACHE_DIR = str(folder())


def _nothing() -> None:
    pass


def load(loader: Callable[[], None], pause: Callable[[], object] = _nothing) -> None:
    """Call `loader`, which compiles kernels or loads them from the cache folder.

    A lock file lets one process at a time do this, because numba's cache is not safe for concurrent writers. If the
    loader raises an exception (a power cut may have truncated cached files), the cached files are deleted and the
    loader is called once more. An exception from the second call is raised.

    The loader runs in a thread, and `pause` is called again and again until the loader ends. An exception from `pause`,
    or a KeyboardInterrupt, ends the wait at once; the loader then continues in its daemon thread.
    """
    place = folder()
    with _lock(place):
        if _failure(loader, pause) is None:
            return
        for path in place.glob("kernels_*/*.nb?"):  # numba's names for the files of modules in a folder "kernels"
            path.unlink(missing_ok=True)
        failure = _failure(loader, pause)
        if failure is not None:
            raise failure


def _failure(loader: Callable[[], None], pause: Callable[[], object]) -> Exception | None:
    """Run the loader in a thread. Return the exception that it raised, or None.

    It runs in a thread because signals are handled in the main thread, and an exception that a signal handler raises
    while LLVM calls back into Python is printed and dropped
    (https://docs.python.org/3/library/sys.html#sys.unraisablehook).
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
    with ExitStack() as held:
        with suppress(OSError):  # a folder that this process can't write, others can't either
            lock = file_lock(place / "lock")
            held.callback(lock.release)
            lock.acquire()
        yield


def _is_writable(path: Path) -> bool:
    from tempfile import TemporaryFile

    try:
        make_own_folders(path)
        with TemporaryFile(dir=path):
            return True
    except OSError:
        return False


def _temporary() -> Path:
    """Return a new folder that is deleted at exit; a fixed name would let other users plant code in it."""
    import atexit
    from shutil import rmtree
    from tempfile import mkdtemp

    path = mkdtemp(prefix="vsearch-")
    atexit.register(rmtree, path, ignore_errors=True)
    return Path(path)

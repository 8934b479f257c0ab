"""The folder on disk that caches compiled kernels, and how processes share it safely.

Compiling all kernels takes half a minute; numba caches the result on disk and looks for it in every later process.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread

from vsearch_core import config
from vsearch_core.own_files import file_lock, make_own_folders

# numba has one cache folder for the whole process, so these are settings of the process too.
_wanted: Path | None = None  # set by the application
_cache_dir: Path | None = None  # set by the application
_chosen: Path | None = None  # when a kernel was first needed


def configure(*, cache_dir: Path | None = None, folder: Path | None = None) -> None:
    """Set where kernels are cached: in `folder` itself, or below `cache_dir`, vsearch's cache folder.

    The default is below the platform's cache folder. Call it before any kernel is loaded. The library doesn't read
    numba's variable NUMBA_CACHE_DIR; an application that wants to honour it passes it as `folder`.
    """
    global _wanted, _cache_dir, _chosen
    _wanted, _cache_dir, _chosen = folder, cache_dir, None


def default_folder() -> Path:
    """Return the folder below vsearch's cache folder for this version's kernels.

    numba invalidates a kernel's cache when the kernel's own file changes, but not when a kernel that it calls does.
    So the folder's name is a digest of all kernels' sources.
    """
    from hashlib import blake2b

    digest = blake2b(digest_size=8)
    for source in sorted((Path(__file__).parent / "kernels").glob("*.py")):
        digest.update(source.read_bytes())
    return (_cache_dir or config.default_cache_dir()) / "kernels" / digest.hexdigest()


def folder() -> Path:
    """Return the folder that kernels are cached in, which is made if need be.

    Where the configured one can't be written, that is a temporary folder of this process: numba refuses to compile
    without any.
    """
    global _chosen  # noqa: PLW0603
    if _chosen is None:
        wanted = _wanted or default_folder()
        _chosen = wanted if _is_writable(wanted) else _temporary()
    return _chosen


def point_numba() -> None:
    """Make numba use the folder for the functions that are decorated from now on."""
    from vsearch_core.numba_loader import import_numba

    import_numba().config.CACHE_DIR = str(folder())


def _nothing() -> None:
    pass


def load(loader: Callable[[], None], pause: Callable[[], object] = _nothing) -> None:
    """Call `loader`, which compiles kernels or loads them from the cache, in one process at a time.

    numba doesn't guard its cache against concurrent writers. If the loader raises, as it does after a power cut has
    left truncated files, the cache is deleted and the loader called once more; what it raises then is raised.

    `pause` is called repeatedly while the loader runs. What it raises ends the wait at once, as a KeyboardInterrupt
    does; the compiler then goes on in a daemon thread.
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
    """Return what the loader raised, which for a damaged file may be anything, or None.

    It runs in a thread, because signals are handled in the main thread, and what a handler raises while LLVM calls
    back into Python is printed and dropped (https://docs.python.org/3/library/sys.html#sys.unraisablehook).
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

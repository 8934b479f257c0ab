"""Read and write objects of a store such as Amazon S3, by the package obstore.

An object is bytes with a name. Stores write an object as a whole, and can refuse to write it unless the caller knows
its present version (a conditional put). obstore itself reads the credentials; they are never part of an error.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from vsearch_core.errors import ArgumentError, InputError, SnapshotError, StorageError
from vsearch_core.own_files import file_lock
from vsearch_core.regular_files import refuse_special
from vsearch_core.store.files import Data

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Obstore

RANGE_BYTES = 1 << 23  # bytes of one request: what a time limit of requests must allow for, and a thread's memory
THREADS = 16  # requests at a time
SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "file")
_RETRIES: Mapping[str, Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
_LOCK_SECONDS = 30.0  # to wait for another process that replaces an object of a folder
_STATUS = re.compile(r"\bstatus(?: code)?:? (\d{3})\b")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """An object as it was read: its bytes, and the version that a conditional put compares."""

    data: bytes
    e_tag: str | None
    version: str | None


class ObjectStore:
    """The objects below one URL. Names are relative to it; they never come unverified from a store.

    Methods raise SnapshotError if the store refuses a request or can't be reached. Any number of threads may use one
    store at once.
    """

    def __init__(
        self,
        url: str,
        store: "Obstore",
        folder: Path | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        threads: int = THREADS,
    ) -> None:
        """Wrap a store of obstore. `url` is its name in errors, and `folder` its path if it is a local folder."""
        self.url = url
        self._store = store
        self._folder = folder
        self._should_stop = should_stop
        self._threads = 1 if folder is not None else threads

    def read(self, name: str, most: int) -> ObjectVersion | None:
        """Return an object of at most `most` bytes, or None if there is none. Raises SnapshotError for a larger one."""
        import obstore

        self._refuse_special(name)
        with self._errors(name):
            try:
                found = obstore.get(self._store, name)
            except FileNotFoundError:
                return None
            data = self._bounded(name, found, most)
            return ObjectVersion(data, found.meta["e_tag"], found.meta["version"])

    def is_unchanged(self, name: str, known: ObjectVersion) -> bool:
        """Return True if the store says that the object still has the known version. No bytes are fetched."""
        import obstore

        if known.e_tag is None:
            return False
        self._refuse_special(name)
        with self._errors(name):
            try:
                obstore.get(self._store, name, options={"if_none_match": known.e_tag})
            except obstore.exceptions.NotModifiedError:
                return True
            except FileNotFoundError:
                pass
            return False

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        """Yield an object's first `size` bytes, at most RANGE_BYTES at a time.

        A shorter object ends early, and the caller notices by its checksum. Raises SnapshotError if it is missing.
        """
        import obstore

        self._refuse_special(name)
        for start in range(0, size, RANGE_BYTES):
            if self._should_stop():
                raise SnapshotError(self.url, "the pull was stopped", "pull-stopped")
            stop = min(start + RANGE_BYTES, size)
            with self._errors(name):
                try:
                    found = obstore.get(self._store, name, options={"range": (start, stop)})
                except FileNotFoundError:
                    raise self.damaged(f"its object {name} is missing") from None
                except obstore.exceptions.GenericError:
                    if (self.size(name) or 0) <= start:  # some stores refuse a range beyond the end
                        raise self.damaged(f"its object {name} is too short") from None
                    raise
                yield self._bounded(name, found, stop - start)

    def size(self, name: str) -> int | None:
        """Return the size of an object in bytes, or None if there is none."""
        import obstore

        with self._errors(name):
            try:
                return int(obstore.head(self._store, name)["size"])
            except FileNotFoundError:
                return None

    def write_once(self, name: str, size: int, blocks: Iterable[Data]) -> None:
        """Write an object that is named after its content, unless the store has one of this size."""
        import obstore

        if self.size(name) == size:
            return
        with self._errors(name):
            if size > RANGE_BYTES:  # in parts, which no store can make conditional
                obstore.put(self._store, name, iter(blocks), chunk_size=RANGE_BYTES, max_concurrency=4)
            else:
                obstore.put(self._store, name, b"".join(blocks), mode="overwrite", use_multipart=False)

    def swap(self, name: str, data: bytes, former: ObjectVersion | None) -> bool:
        """Replace an object, or create it if `former` is None. Return False if another one has replaced it meanwhile.

        The data must have a random part: an equal object is taken for the one that was written.
        """
        if self._folder is None or former is None:
            done = self._put_if(name, data, former)
        else:
            done = self._replace_in_folder(name, data, former)
        if done:
            return True
        # A request that was repeated after an error of the network may have succeeded the first time.
        found = self.read(name, len(data))
        return found is not None and found.data == data

    def refuse_without_preconditions(self) -> None:
        """Raise SnapshotError if the store ignores the conditions of puts: commits would be lost without a word."""
        from uuid import uuid4

        name = f"probe/{uuid4().hex}"
        try:
            first = self._put(name, b"1", "create")
            kept = first is not None and self._put(name, b"2", "create") is None
            if kept and self._folder is None:
                second = self._put(name, b"3", _condition(first))
                kept = second is not None and self._put(name, b"4", _condition(first)) is None
            if not kept:
                raise SnapshotError(self.url, "the store ignores the conditions of writes", "no-preconditions")
        finally:
            with suppress(SnapshotError):
                self.delete([name])

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of all objects below a prefix."""
        import obstore

        with self._errors(prefix):
            for batch in obstore.list(self._store, prefix=prefix):
                yield from (str(each["path"]) for each in batch)

    def delete(self, names: list[str]) -> None:
        """Delete objects. One that is missing is no error."""
        import obstore

        if not names:
            return
        with self._errors("objects"):
            try:
                obstore.delete(self._store, names)
            except FileNotFoundError:  # some stores then leave the names after it
                for name in names:
                    with suppress(FileNotFoundError):
                        obstore.delete(self._store, name)

    def in_parallel(self, run: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return the results of a function for all items. It runs in several threads, but for a local folder.

        After an error, no further call begins.
        """
        if self._threads == 1:
            return list(map(run, items))
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(self._threads)
        try:
            return list(pool.map(run, items))
        finally:
            pool.shutdown(cancel_futures=True)

    def damaged(self, reason: str) -> SnapshotError:
        """Return an error about damage in the store."""
        return SnapshotError(self.url, f"the snapshot is damaged: {reason}", "snapshot-damaged")

    def _put_if(self, name: str, data: bytes, former: ObjectVersion | None) -> bool:
        mode = "create" if former is None else _condition({"e_tag": former.e_tag, "version": former.version})
        return self._put(name, data, mode) is not None

    def _put(self, name: str, data: bytes, mode: Any) -> Mapping[str, Any] | None:
        """Write an object under a condition. Return its version, or None if the condition isn't met."""
        import obstore

        with self._errors(name):
            try:
                written: Mapping[str, Any] = obstore.put(self._store, name, data, mode=mode, use_multipart=False)
                return written
            except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError, FileNotFoundError):
                return None
            except (obstore.exceptions.NotSupportedError, NotImplementedError):
                raise SnapshotError(self.url, "the store has no conditional writes", "no-preconditions") from None

    def _replace_in_folder(self, name: str, data: bytes, former: ObjectVersion) -> bool:
        """Replace a file under a lock, because obstore has no conditional put for folders."""
        import obstore
        from filelock import Timeout

        assert self._folder is not None
        path = self._folder / f"{name}.lock"
        try:
            with file_lock(path).acquire(timeout=_LOCK_SECONDS):
                found = self.read(name, len(former.data))
                if found is None or found.data != former.data:
                    return False
                with self._errors(name):
                    obstore.put(self._store, name, data, mode="overwrite", use_multipart=False)
                return True
        except Timeout:
            raise SnapshotError(self.url, "another process holds its lock", "store-failed") from None
        except OSError as error:
            raise StorageError(str(path), (error.strerror or str(error)).lower()) from None

    def _bounded(self, name: str, found: Any, most: int) -> bytes:
        """Return the bytes of a response, of which a store may send more than it has announced."""
        if found.range[1] - found.range[0] > most:
            raise self.damaged(f"its object {name} is larger than it may be")
        parts, size = [], 0
        for part in found.stream(min_chunk_size=1 << 20):
            size += len(part)
            if size > most:
                raise self.damaged(f"its object {name} is larger than it may be")
            parts.append(bytes(part))
        return b"".join(parts)

    def _refuse_special(self, name: str) -> None:
        """Raise StorageError for a pipe in a local folder, which would be waited for without end."""
        if self._folder is not None:
            try:
                refuse_special(self._folder / name)
            except OSError as error:
                raise StorageError(str(error.filename), str(error.strerror)) from None

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        """Convert errors of obstore. Its messages are left out: they may quote signed requests and keys."""
        import obstore

        try:
            yield
        except (SnapshotError, FileNotFoundError, GeneratorExit):
            raise
        except (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError) as error:
            raise SnapshotError(self.url, f"the store refuses access{_detail(error)}", "store-refused") from None
        except PermissionError as error:
            raise SnapshotError(self.url, f"the store refuses access{_detail(error)}", "store-refused") from None
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise _store_error(self.url, error) from None


def open_object_store(
    url: str, *, create: bool = False, should_stop: Callable[[], bool] = lambda: False
) -> ObjectStore:
    """Return the store of a URL: s3://, gs://, az:// or file:///. With `create`, a missing local folder is created.

    Nothing is requested yet. obstore reads the credentials and the endpoint from its environment variables, such as
    AWS_ACCESS_KEY_ID. When `should_stop` returns True, reading an object raises SnapshotError between two requests.
    Raises InputError for another kind of URL, ArgumentError if obstore is not installed, SnapshotError.
    """
    from importlib.util import find_spec

    if find_spec("obstore") is None:
        raise ArgumentError("snapshots", "the package obstore isn't installed", "package-missing", extra="s3")
    from obstore import exceptions
    from obstore.store import LocalStore, from_url

    parts = _parse(url)
    try:
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            if not create and not folder.is_dir():
                raise SnapshotError(url, "there is no such folder", "no-snapshots")
            return ObjectStore(url, LocalStore(folder, mkdir=create), folder, should_stop)
        # Without client_options: they would replace what the environment sets, such as AWS_ALLOW_HTTP.
        retries: Any = {**_RETRIES}
        return ObjectStore(url, from_url(url, retry_config=retries), should_stop=should_stop)
    except (exceptions.BaseError, OSError, ValueError) as error:
        raise _store_error(url, error) from None


def _parse(url: str) -> Any:
    """Return the parts of a URL of a store. Raises InputError, which shows no part that may be a secret."""
    try:
        parts = urlsplit(url)
        is_secret = "@" in parts.netloc
    except ValueError:
        raise InputError("URL", "is not a URL of a store", "store-url") from None
    if is_secret:
        raise InputError(f"{parts.scheme}://…", "has a user name or password in it", "store-url-with-secret")
    if parts.query or parts.fragment:
        raise InputError(f"{parts.scheme}://{parts.netloc}…", "has a ? or # in it", "store-url")
    is_local = parts.scheme == "file"
    is_complete = parts.netloc in {"", "localhost"} and parts.path.startswith("/") if is_local else bool(parts.netloc)
    segments = unquote(parts.path).split("/")
    if parts.scheme not in SCHEMES or not is_complete or ".." in segments or "\0" in unquote(parts.path):
        raise InputError(url, "is not a URL of a store", "store-url")
    return parts


def _condition(version: Mapping[str, Any] | None) -> dict[str, str]:
    """Return a version as obstore expects it: it takes no None."""
    return {key: value for key, value in (version or {}).items() if value is not None}


def _store_error(url: str, error: Exception) -> SnapshotError:
    """Return an error without the message of obstore, but with the status that it quotes."""
    text = str(error)
    if "BadScheme" in text:
        return SnapshotError(url, "its endpoint is not encrypted", "endpoint-unencrypted")
    if "error sending request" in text or "error trying to connect" in text or "connect" in text.lower():
        return SnapshotError(url, "the store can't be reached", "store-unreachable")
    return SnapshotError(url, f"the store failed{_detail(error)}", "store-failed")


def _detail(error: Exception) -> str:
    text = str(error)
    if code := _CODE.search(text):
        return f" ({code[1]})"
    if status := _STATUS.search(text):
        return f" (status {status[1]})"
    number = getattr(error, "strerror", None)
    return f" ({number.lower()})" if isinstance(number, str) else ""

"""Route SQLite's own system calls through the shim.

The unix VFS keeps its system calls in a table that `xSetSystemCall` replaces one by one, "for testing"
(https://sqlite.org/c3ref/vfs.html). Only fsync is not in it: it is intercepted at each file's `xSync`.
"""

import ctypes
import os
from collections.abc import Callable
from typing import Any

from faults.shim import Shim

INT, LONG, POINTER, TEXT = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p, ctypes.c_char_p
SQLITE_IOERR_FSYNC = 10 | 4 << 8
_X_SYNC = 5  # its place in sqlite3_io_methods, counted in pointers after the version's int
_METHODS = 19  # pointers of sqlite3_io_methods, version 3


class _Vfs(ctypes.Structure):
    _fields_ = (
        *(("iVersion", INT), ("szOsFile", INT), ("mxPathname", INT), ("pNext", POINTER), ("zName", TEXT)),
        *(("pAppData", POINTER), ("xOpen", POINTER)),
        *((name, POINTER) for name in ("xDelete", "xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym")),
        *((name, POINTER) for name in ("xDlClose", "xRandomness", "xSleep", "xCurrentTime", "xGetLastError")),
        *((name, POINTER) for name in ("xCurrentTimeInt64", "xSetSystemCall", "xGetSystemCall", "xNextSystemCall")),
    )


_kept: list[Any] = []  # objects that C points to must live as long as the process


def library() -> ctypes.CDLL | None:
    """Return the SQLite library of the module `sqlite3`; None if it is linked statically, and so can't be patched."""
    import _sqlite3

    try:
        found = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
        found.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    except (AttributeError, OSError):
        return None
    return found


def install(shim: Shim) -> None:
    """Route all of SQLite's calls through the shim for the rest of the process's life."""
    sqlite = library()
    assert sqlite is not None
    sqlite.sqlite3_initialize()
    vfs = sqlite.sqlite3_vfs_find(None)
    assert vfs.contents.zName.startswith(b"unix"), vfs.contents.zName
    for name, signature, wrapper in _calls(shim):
        _replace(vfs, name, signature, wrapper)
    _catch_sync(vfs.contents, shim)


def _replace(vfs: Any, name: bytes, signature: tuple[Any, ...], wrapper: Callable[..., Any]) -> None:
    kind = ctypes.CFUNCTYPE(*signature, use_errno=True)
    get = ctypes.CFUNCTYPE(POINTER, POINTER, TEXT)(vfs.contents.xGetSystemCall)
    put = ctypes.CFUNCTYPE(INT, POINTER, TEXT, POINTER)(vfs.contents.xSetSystemCall)
    address = get(vfs, name)
    if not address:
        return  # this build of SQLite does not use the call
    real = kind(address)
    failed = -1

    def call(*arguments: Any) -> Any:
        try:
            return wrapper(real, *arguments)
        except OSError as error:
            ctypes.set_errno(error.errno or 0)
            return failed

    _kept.append(kind(call))
    assert put(vfs, name, ctypes.cast(_kept[-1], POINTER)) == 0


def _calls(shim: Shim) -> list[tuple[bytes, tuple[Any, ...], Callable[..., Any]]]:
    def opens(real: Any, path: bytes, flags: int, mode: int) -> Any:
        if shim.repeatable and path == b"/dev/urandom":  # what SQLite seeds the salts of its log with
            path = b"/dev/zero"
        name = os.fsdecode(path)
        shim.intercept("open", name)
        created = shim.watches(name) and bool(flags & os.O_CREAT) and not os.path.lexists(name)
        fd = real(path, flags, mode)
        if fd >= 0 and shim.watches(name):
            shim.record_open(fd, name, created=created)
        return fd

    def syncs_folder(real: Any, path: bytes, result: Any) -> Any:
        """SQLite opens a folder only to sync it."""
        folder = os.path.dirname(os.fsdecode(path))  # noqa: PTH120 - as SQLite cuts it
        shim.intercept("sync", folder)
        status = real(path, result)
        if status == 0:
            shim.record("sync folder", folder)
        return status

    def closes(real: Any, fd: int) -> Any:
        path = shim.paths.pop(fd, None)
        status = real(fd)
        shim.intercept("close", path)
        return status

    def reads(real: Any, fd: int, *arguments: Any) -> Any:
        shim.intercept("read", shim.paths.get(fd))
        return real(fd, *arguments)

    def writes(real: Any, fd: int, buffer: int, count: int, *offset: int) -> Any:
        path = shim.paths.get(fd)
        count = shim.intercept("write", path, count)
        if not shim.watches(path):
            return real(fd, buffer, count, *offset)
        at = offset[0] if offset else os.lseek(fd, 0, os.SEEK_CUR)
        done = real(fd, buffer, count, *offset)
        shim.finish_tear()
        if done > 0 and shim.recording:
            shim.record("write", path, fd, offset=at, data=ctypes.string_at(buffer, done))
        return done

    def truncates(real: Any, fd: int, size: int) -> Any:
        shim.intercept("truncate", shim.paths.get(fd))
        status = real(fd, size)
        if status == 0:
            shim.record("truncate", fd=fd, offset=size)
        return status

    def unlinks(real: Any, path: bytes) -> Any:
        name = os.fsdecode(path)
        shim.intercept("unlink", name)
        status = real(path)
        if status == 0:
            shim.record("unlink", name)
        return status

    def maps(real: Any, address: Any, length: int, protection: int, flags: int, fd: int, offset: int) -> Any:
        shim.intercept("map", shim.paths.get(fd))
        return real(address, length, protection, flags, fd, offset)

    size = ctypes.c_size_t
    return [
        (b"open", (INT, TEXT, INT, INT), opens),
        (b"openDirectory", (INT, TEXT, POINTER), syncs_folder),
        (b"close", (INT, INT), closes),
        (b"read", (ctypes.c_ssize_t, INT, POINTER, size), reads),
        (b"pread", (ctypes.c_ssize_t, INT, POINTER, size, LONG), reads),
        (b"pread64", (ctypes.c_ssize_t, INT, POINTER, size, LONG), reads),
        (b"write", (ctypes.c_ssize_t, INT, POINTER, size), writes),
        (b"pwrite", (ctypes.c_ssize_t, INT, POINTER, size, LONG), writes),
        (b"pwrite64", (ctypes.c_ssize_t, INT, POINTER, size, LONG), writes),
        (b"ftruncate", (INT, INT, LONG), truncates),
        (b"unlink", (INT, TEXT), unlinks),
        (b"mmap", (POINTER, POINTER, size, INT, INT, INT, LONG), maps),
    ]


def _catch_sync(vfs: _Vfs, shim: Shim) -> None:
    """Give each file that is opened from now on a table of methods whose `xSync` calls the shim."""
    # The name is not TEXT: SQLite keeps the pointer, and reads the URI's parameters after the name.
    opening = ctypes.CFUNCTYPE(INT, POINTER, POINTER, ctypes.POINTER(POINTER), INT, POINTER)
    syncing = ctypes.CFUNCTYPE(INT, POINTER, INT)
    assert vfs.xOpen is not None
    real_open = opening(vfs.xOpen)
    files: dict[int, str] = {}
    tables: dict[int, Any] = {}

    def patched(address: int) -> Any:
        table = (POINTER * _METHODS).from_buffer_copy((POINTER * _METHODS).from_address(address))
        address_of_sync = table[_X_SYNC]
        assert address_of_sync is not None
        real = syncing(address_of_sync)

        def sync(file: int, flags: int) -> Any:
            path = files.get(file)
            try:
                shim.intercept("sync", path)
            except OSError:
                return SQLITE_IOERR_FSYNC
            if shim.recording and shim.watches(path):
                _record_sync(shim, path)
            return real(file, flags)

        _kept.append(syncing(sync))
        table[_X_SYNC] = ctypes.cast(_kept[-1], POINTER).value
        return table

    def opens(self: int, name: int | None, file: Any, flags: int, result: Any) -> Any:
        status = real_open(self, name, file, flags, result)
        address = file[0]
        if status == 0 and name and address:
            table = tables.get(address) or tables.setdefault(address, patched(address))
            files[ctypes.addressof(file.contents)] = os.fsdecode(ctypes.string_at(name))
            file[0] = ctypes.addressof(table)
        return status

    _kept.extend((opening(opens), tables))
    vfs.xOpen = ctypes.cast(_kept[-2], POINTER).value


def _record_sync(shim: Shim, path: str | None) -> None:
    """Record a sync under the file's inode, found among the open descriptors, since its name may have changed."""
    fd = next(fd for fd, name in reversed(shim.paths.items()) if name == path)
    shim.record("sync", path, fd)

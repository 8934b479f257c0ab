"""Ask the warm helper of an index: a process of the same user that keeps the model and the index in memory.

The helper listens on a Unix socket and runs the commands `query` and `similar`; see docs/adr/0047-warm-helper.md. This
module is imported before anything else, so it imports no Python module that the interpreter hasn't loaded itself.
"""

import os
import sys

TYPE_CHECKING = False  # as in `typing`, which takes milliseconds to import
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Iterator, Mapping, Sequence

    Environment = Mapping[bytes, bytes]

PROTOCOL = b"vsearch-warm/1"
RUN, STOP = b"run", b"stop"  # what a request asks for
STDOUT, STDERR, PAGED = b"1", b"2", b"p"  # where output belongs; PAGED: on stdout, by the user's pager if it is long
SECONDS = 2.0  # to wait for the helper; a cold command takes less
MOST_BYTES = 64 << 20  # of a message
SIZE_BYTES = 4  # of a message's length, and of the lengths in it
PRIVATE = 0o077  # permissions that nobody else may have
LONGEST_PATH = 103  # bytes of a socket's path, as macOS allows; Linux allows 107

# Variables that change how a result is shown. Each request brings its own.
_SHOWN_BY = {
    *(b"NO_COLOR", b"TERM", b"TERM_PROGRAM", b"FORCE_HYPERLINK", b"WT_SESSION", b"VTE_VERSION"),
    *(b"KONSOLE_VERSION", b"PAGER", b"COLUMNS", b"LINES"),
}
_SETTINGS = b"VSEARCH_"  # beginning of the variables of settings, which requests bring, too
# Beginnings of variables that libraries read once. A helper answers only if it was started with the same ones.
_OF_A_PROCESS = (
    *(b"HOME", b"XDG_", b"LANG", b"LC_", b"TZ", b"PYTHON", b"LD_", b"TMPDIR", b"HF_", b"NUMBA_", b"ORT_"),
    *(b"OMP_", b"OPENBLAS_", b"MKL_", b"TOKENIZERS_", b"RAYON_", b"MALLOC_"),
)
# Variables that vsearch sets itself if they are missing.
_DEFAULTS = {(b"OPENBLAS_NUM_THREADS", b"1"), (b"ORT_DISABLE_TELEMETRY", b"1")}


class WarmAnswer:
    """The exit status of a command, and its output in order: pairs of where it belongs and bytes."""

    def __init__(self, status: int, output: "list[tuple[bytes, bytes]]") -> None:
        """Set the values."""
        self.status = status
        self.output = output

    def text(self, stream: bytes) -> bytes:
        """Return the output of one stream."""
        return b"".join(data for kind, data in self.output if kind == stream)


def pack(parts: "Sequence[bytes]") -> bytes:
    """Return one text of bytes that `unpack` splits again."""
    return b"".join(len(part).to_bytes(SIZE_BYTES, "big") + part for part in parts)


def unpack(data: bytes) -> list[bytes]:
    """Return the parts that `pack` has joined. Raises ValueError."""
    return list(_parts(data))


def _parts(data: bytes) -> "Iterator[bytes]":
    at = 0
    while at < len(data):
        start = at + SIZE_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or at > len(data):
            raise ValueError("a message is cut off")
        yield data[start:at]


def receive(connection: "socket") -> bytes:
    """Return one message from the connection. Raises OSError, and ValueError if it is cut off or too long."""
    size = int.from_bytes(_exactly(connection, SIZE_BYTES), "big")
    if size > MOST_BYTES:
        raise ValueError("a message is too long")
    return _exactly(connection, size)


def _exactly(connection: "socket", size: int) -> bytes:
    blocks = []
    while size:
        block = connection.recv(min(size, 1 << 20))
        if not block:
            raise ValueError("the other side has hung up")
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)


def send(connection: "socket", message: bytes) -> None:
    """Send one message. Raises OSError."""
    connection.sendall(len(message).to_bytes(SIZE_BYTES, "big") + message)


def runtime_folder(environment: "Environment") -> bytes:
    """Return the folder of the sockets: in XDG_RUNTIME_DIR, or else in the user's cache folder."""
    runtime = environment.get(b"XDG_RUNTIME_DIR", b"")
    if runtime[:1] == b"/":
        return runtime + b"/vsearch"
    return environment.get(b"HOME", b"") + b"/.cache/vsearch/run"


def is_private_folder(folder: bytes) -> bool:
    """Return True if this is a folder of this user, not a link to one, that nobody else has permissions for."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return found.st_mode & 0o170000 == 0o040000 and found.st_uid == os.geteuid() and not found.st_mode & PRIVATE


def socket_path(folder: bytes, index: bytes) -> bytes:
    """Return the path of the socket for an index folder: its name is a hash of the index's real path."""
    try:
        from _blake2 import blake2b  # `hashlib` would load OpenSSL
    except ImportError:
        from hashlib import blake2b
    return folder + b"/" + blake2b(os.path.realpath(index), digest_size=10).hexdigest().encode() + b".sock"


def file_identity(path: bytes) -> bytes:
    """Return what tells a file or folder from another one that replaces it. Raises OSError."""
    found = os.stat(path)
    return b"%d %d" % (found.st_dev, found.st_ino)


def index_identity(index: bytes) -> bytes:
    """Return what tells an index from another one that replaces it. Raises OSError if its catalog can't be read."""
    catalog = index + b"/catalog.sqlite"
    if not os.access(catalog, os.R_OK):
        raise PermissionError(13, "can't be read", catalog)
    return file_identity(catalog)


def process_identity(environment: "Environment") -> bytes:
    """Return what must be equal in the helper and in the process that asks: Python, vsearch, user and environment."""
    python = (sys.version, sys.executable, sys.prefix, tuple(sys.flags), sys.getfilesystemencoding())
    users = (os.geteuid(), os.getegid(), sorted(os.getgroups()))
    fixed = sorted({item for item in environment.items() if item[0].startswith(_OF_A_PROCESS)} - _DEFAULTS)
    return repr((python, os.path.dirname(__file__), users, fixed)).encode("utf-8", "surrogatepass")


def request_environment(environment: "Environment") -> list[bytes]:
    """Return the variables that the helper sets for one request, as NAME=VALUE. None of them is a secret."""
    return [name + b"=" + value for name, value in environment.items() if is_request_variable(name)]


def is_request_variable(name: bytes) -> bool:
    """Return True if each request brings its own value of this variable."""
    return name in _SHOWN_BY or name.startswith(_SETTINGS)


def peer_user(connection: "socket") -> "tuple[int, int] | None":
    """Return the process id and the user id on the other side, or None where the system can't tell."""
    import _socket

    option = getattr(_socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = connection.getsockopt(_socket.SOL_SOCKET, option, 12)
    pid, user = (int.from_bytes(credentials[at : at + 4], sys.byteorder) for at in (0, 4))
    return pid, user


def connect(index: bytes, environment: "Environment", seconds: float = SECONDS) -> "socket | None":
    """Return a connection to the helper of an index folder, or None if there is none that can be trusted."""
    folder = runtime_folder(environment)
    if not hasattr(os, "geteuid") or not is_private_folder(folder):
        return None
    try:
        import _socket

        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    except (ImportError, AttributeError, OSError):
        return None
    try:
        connection.settimeout(seconds)
        connection.connect(socket_path(folder, index))
        peer = peer_user(connection)
        if peer is not None and peer[1] == os.geteuid():
            return connection
    except OSError:
        pass
    connection.close()
    return None


def ask(
    index: bytes,
    words: "Sequence[bytes]",
    *,
    cwd: bytes,
    environment: "Environment",
    terminals: bytes = b"---",
    seconds: float = SECONDS,
) -> WarmAnswer | None:
    """Return the helper's answer to a command line, or None if there is none: then run the command without it.

    Args:
        index: The index folder whose helper is asked. The command may work on another one.
        words: The command line after `vsearch`.
        cwd: The working folder.
        environment: The environment of the caller. API keys in it are not sent.
        terminals: For stdin, stdout and stderr of the caller, "t" if it is a terminal, or else "-".
        seconds: The time to wait for each part of the answer.
    """
    connection = connect(index, environment, seconds)
    if connection is None:
        return None
    try:
        parts = [
            process_identity(environment),
            index_identity(index),
            cwd,
            file_identity(cwd),
            terminals,
            pack(request_environment(environment)),
            pack(words),
        ]
        send(connection, pack([PROTOCOL, RUN, *parts]))
        status, *output = unpack(receive(connection))
        return WarmAnswer(int(status), list(zip(output[::2], output[1::2], strict=True)))
    except (OSError, ValueError):  # also an answer without a status: the helper can't answer this
        return None
    finally:
        connection.close()


def helper_pid(index: bytes, environment: "Environment") -> int | None:
    """Return the process id of the helper of an index folder, or None if none runs."""
    connection = connect(index, environment)
    if connection is None:
        return None
    try:
        peer = peer_user(connection)
        return None if peer is None else peer[0]
    finally:
        connection.close()


def stop(index: bytes, environment: "Environment") -> bool:
    """Ask the helper of an index folder to end. Return False if none answers."""
    connection = connect(index, environment)
    if connection is None:
        return False
    try:
        send(connection, pack([PROTOCOL, STOP]))
        return receive(connection) == pack([STOP])
    except (OSError, ValueError):
        return False
    finally:
        connection.close()

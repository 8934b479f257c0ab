"""Start servers that speak S3's protocol, for tests: SeaweedFS, and one that ignores preconditions."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from process import free_ports

BUCKET = "vsearch-test"
KEY, SECRET = "TESTKEY1234567890", "test-secret-1234567890"
SECONDS = 60.0  # for a server to answer


def program(name: str) -> Path | None:
    """Return the program that a package has put beside Python, or None."""
    found = Path(sys.executable).with_name(name)
    return found if found.exists() else None


class StoreServer:
    """A server of buckets, whose files are in a folder of its own."""

    def __init__(self, folder: Path, command: Sequence[str], port: int) -> None:
        """Take the command that starts it, with S3 at the port."""
        self._folder = folder
        self._command = command
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of a client."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ALLOW_HTTP": "true",
        }

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=self._folder, stdout=log, stderr=log)
        wait_until_answered(f"http://127.0.0.1:{self._port}/{BUCKET}")

    def kill(self) -> None:
        """End the server at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def wait_until_answered(url: str, data: bytes | None = None) -> None:
    """Send a request until a server answers it, whatever it answers; but not that it isn't ready."""
    request = urllib.request.Request(url, data, {} if data is None else {"Content-Type": ""})  # SeaweedFS: no form
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10):
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(url)
        time.sleep(0.1)


@contextmanager
def running(server: StoreServer) -> Iterator[StoreServer]:
    """Start the server for the block."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def own_folder() -> Iterator[Path]:
    """Yield a new folder, which is deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="vs-s3-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def seaweed() -> Iterator[StoreServer]:
    """Start a SeaweedFS server with one bucket for the block."""
    weed = program("weed")
    assert weed is not None
    with own_folder() as folder:
        actions = ["Read", "Write", "List", "Tagging"]  # no "Admin", whose writes make buckets
        keys = [{"accessKey": KEY, "secretKey": SECRET}]
        users = {"identities": [{"name": "tester", "credentials": keys, "actions": actions}]}
        (folder / "s3.json").write_text(json.dumps(users))
        master, volume, filer, port, *others = free_ports(8)
        grpc = dict(zip(("master", "volume", "filer", "s3"), others, strict=True))
        command = [
            *(str(weed), "-logtostderr", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"),
            *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={port}"),
            *(f"-{name}.port.grpc={number}" for name, number in grpc.items()),
            *("-s3", f"-s3.config={folder / 's3.json'}", "-master.telemetry=false", "-volume.max=20"),
            "-master.volumeSizeLimitMB=64",
        ]
        with running(StoreServer(folder, command, port)) as server:
            wait_until_answered(f"http://127.0.0.1:{filer}/buckets/{BUCKET}/", b"")  # makes the folder
            yield server


@contextmanager
def forgetful() -> Iterator[StoreServer]:
    """Start a server that ignores preconditions, rclone, for the block."""
    rclone = program("rclone")
    assert rclone is not None
    with own_folder() as folder:
        (folder / "buckets" / BUCKET).mkdir(parents=True)
        (port,) = free_ports(1)
        command = [str(rclone), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
        command += ["--config", os.devnull, str(folder / "buckets")]
        with running(StoreServer(folder, command, port)) as server:
            yield server

"""A warm helper answers `query` and `similar` exactly as the command itself does, and is never in the way."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from both_ways import NO_HELPER, ONLY_WARM, without_times
from process import CommandResult, Vsearch, wait_for, wait_until, write_files

DOCUMENTS = {
    "pump.md": "# Pump\n\nThe pump lifts water from the well. Oil it twice a year.\n\n## Faults\n\nA dry pump is hot.",
    "bread.md": "# Bread\n\nBread needs flour, water, salt and time. The oven is hot.",
    "parts.txt": "".join(f"Part {number} of the pump\n" for number in range(40)),
    "notes/fees.txt": "The late fee is due after three days. A fee of two pounds is charged.",
    "notes/böse \x1b[31m.md": "Ein Müller mahlt das Mehl für das Brot.",
    "same-1.md": "A ladder leans on the wall of the barn, and the cat sits on the ladder all day long.",
    "same-2.md": "A ladder leans on the wall of the barn, and the cat sits on the ladder all day long.",
}
ANSWERED = [
    ("query", "late", "fee"),
    ("query", "late fee", "--json"),
    ("query", "late fee", "--json", "-k", "2", "--explain"),
    ("query", "late fee", "--jsonl"),
    ("query", "hot water", "--explain", "--full", "--mode", "keyword"),
    ("query", "hot water", "--color", "always", "-k", "3"),
    ("query", "ladder", "--no-collapse", "--min-score", "0.2"),
    ("query", "Brot", "--ext", "md", "--path", "notes/*"),
    ("query", "pump", "--where", "size > 10", "--since", "2020-01-01", "--mode", "vector", "--exact"),
    ("query", "pump", "--more-like", "pump.md:3", "--context", "1", "--json"),
    ("query", "--more-like", "pump.md", "--group-by", "file"),
    ("query", '+pump -bread "dry pump"', "--json"),
    ("query", "zzzz", "--mode", "keyword"),
    ("query", "pump", "--ext", "exe"),
    ("query", "fee", "--max-tokens", "60", "--offset", "1"),
    ("similar", "pump.md"),
    ("similar", "bread.md:3", "--json"),
]
LEFT_TO_THE_COMMAND = [  # errors, help, queries from stdin, and files that have to be read
    ("query", ""),
    ("query", "x", "--mode", "other"),
    ("query", "x", "--index", "nowhere"),
    ("query", "--help"),
    ("query", "-"),
    ("similar", "nowhere.md"),
    ("similar", "outside.rst"),
    ("query", "pump", "--fresh"),
]


@dataclass(frozen=True)
class WarmVsearch(Vsearch):
    """The command as `python -m vsearch_cli`, so that the entry point of this checkout runs."""

    only_warm: bool = False

    def command(self, *arguments: str | Path) -> list[str]:
        start = ["-c", ONLY_WARM] if self.only_warm else ["-m", "vsearch_cli"]
        return [sys.executable, *start, *map(str, arguments)]

    def warm(self, *arguments: str, cwd: Path, **environment: str) -> CommandResult | None:
        """Return the helper's answer, or None if the helper doesn't answer."""
        done = subprocess.run(
            replace(self, only_warm=True).command(*arguments),
            cwd=cwd,
            env={**self.environment, **environment},
            input=b"",
            capture_output=True,
            timeout=60,
            check=False,
        )
        if NO_HELPER in done.stderr:
            return None
        return CommandResult(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def helper(self, project: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a helper of the project's index during the block, from the time when it answers."""
        process = self.start("warm", *options, cwd=project)
        assert process.stderr is not None
        assert b"warm helper of" in process.stderr.readline()
        try:
            yield process
        finally:
            process.terminate()
            wait_for(process)


@pytest.fixture(scope="module")
def cold(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> WarmVsearch:
    runtime = tmp_path_factory.mktemp("run")
    return WarmVsearch({**vsearch.environment, "XDG_RUNTIME_DIR": str(runtime)})


@pytest.fixture(scope="module")
def project(cold: WarmVsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("warm"), DOCUMENTS)
    assert cold("index", ".", cwd=folder).status == 0
    write_files(folder, {"outside.rst": "A pump that is not in the index."})
    return folder


def socket_of(cold: WarmVsearch) -> Path:
    (found,) = Path(cold.environment["XDG_RUNTIME_DIR"], "vsearch").glob("*.sock")
    return found


def test_answers_are_those_of_the_command(cold: WarmVsearch, project: Path) -> None:
    def run(command: tuple[str, ...], *, warm: bool) -> CommandResult | None:
        folder = project / "notes" if command[0] == "query" else project
        result = cold.warm(*command, cwd=folder) if warm else cold(*command, cwd=folder)
        return result and without_times(result)

    expected = {command: run(command, warm=False) for command in [*ANSWERED, *LEFT_TO_THE_COMMAND]}
    assert {result.status for result in expected.values() if result} == {0, 1, 2}
    with cold.helper(project):
        for command in ANSWERED:
            assert run(command, warm=True) == expected[command], command
        for command in LEFT_TO_THE_COMMAND:
            assert run(command, warm=True) is None, command
            assert run(command, warm=False) == expected[command], command


@pytest.mark.parametrize("pager", ["head -n 3", "", "/no/such/pager"])
def test_on_a_terminal_the_answer_is_coloured_and_paged_in_the_same_way(
    cold: WarmVsearch, project: Path, on_a_terminal: Callable[..., tuple[int, str, str]], pager: str
) -> None:
    commands = [("query", "pump", "--full"), ("query", "pump", "-k", "1"), ("query", "pump", "--paths")]

    def run(arguments: tuple[str, ...], *, only_warm: bool) -> tuple[int, str, str]:
        command = replace(cold, only_warm=only_warm)
        return on_a_terminal(*arguments, cwd=project, command=command, PAGER=pager, FORCE_HYPERLINK="1", LESS="")

    expected = {arguments: run(arguments, only_warm=False) for arguments in commands}
    assert "\x1b]8;;" in expected["query", "pump", "-k", "1"][1]
    assert pager != "head -n 3" or expected["query", "pump", "--full"][1].count("\n") == 3
    with cold.helper(project):
        assert {arguments: run(arguments, only_warm=True) for arguments in commands} == expected


def test_a_query_starts_a_helper_if_the_user_wants_it(
    cold: WarmVsearch, project: Path, tmp_path: Path, short_folder: Path
) -> None:
    home, runtime = {"HOME": str(tmp_path)}, {"XDG_RUNTIME_DIR": str(short_folder)}
    mine = replace(cold, environment={**cold.environment, **home, **runtime})
    assert "can't be set for a project" in mine("config", "warm", "true", cwd=project).error
    assert mine("config", "warm", "true", "--user", cwd=project).status == 0
    keys = {"OPENAI_API_KEY": "a-secret"}
    assert mine("query", "pump", cwd=project, **keys).status == 0
    try:
        wait_until(lambda: mine.warm("query", "pump", cwd=project) is not None, "the helper")
        pid = mine("status", "--json", cwd=project).json["warm_helper"]["pid"]
        assert b"a-secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert f"process {pid}" in mine("status", cwd=project).out
    finally:
        assert mine("warm", "--stop", cwd=project).out == "stopped\n"
    assert mine("status", "--json", cwd=project).json["warm_helper"] is None


def test_settings_and_variables_are_the_clients(cold: WarmVsearch, project: Path) -> None:
    with cold.helper(project):
        one = cold.warm("query", "pump", "--paths", cwd=project, VSEARCH_K="1")
        assert one is not None
        assert len(one.lines) == 1
        write_files(project, {".vsearch/config.toml": "k = 2\n"})
        two = cold.warm("query", "pump", "--paths", cwd=project)
        assert two is not None
        assert len(two.lines) == 2
        assert cold.warm("query", "pump", cwd=project, LC_ALL="C") is None
        assert cold.warm("query", "pump", cwd=project, PYTHONHASHSEED="1") is None
        (project / ".vsearch/config.toml").unlink()
        again = cold.warm("query", "pump", "--paths", cwd=project)
        assert again is not None
        assert len(again.lines) > 2


def test_a_new_commit_is_seen_at_once(cold: WarmVsearch, tmp_path: Path) -> None:
    write_files(tmp_path, {"a.txt": "An apple."})
    assert cold("index", ".", cwd=tmp_path).status == 0
    with cold.helper(tmp_path):
        assert cold.warm("query", "zebra", "--mode", "keyword", cwd=tmp_path) is not None
        write_files(tmp_path, {"b.txt": "A zebra."})
        assert cold("index", ".", cwd=tmp_path).status == 0
        found = cold.warm("query", "zebra", "--mode", "keyword", "--paths", cwd=tmp_path)
        assert found is not None
        assert found.out == "b.txt\n"


def test_it_ends_when_nobody_asks(cold: WarmVsearch, project: Path) -> None:
    with cold.helper(project, "--idle", "1") as process:
        assert wait_for(process).status == 0
    assert cold("query", "pump", cwd=project).status == 0


def test_it_ends_when_the_index_is_replaced(cold: WarmVsearch, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_files(tmp_path / name, {"a.txt": f"The word is {name}."})
        assert cold("index", ".", cwd=tmp_path / name).status == 0
    with cold.helper(tmp_path / "one") as process:
        shutil.rmtree(tmp_path / "one" / ".vsearch")
        (tmp_path / "two" / ".vsearch").rename(tmp_path / "one" / ".vsearch")
        assert cold.warm("query", "word", cwd=tmp_path / "one") is None
        assert b"two" in cold("query", "word", cwd=tmp_path / "one").stdout
        assert wait_for(process).status == 0


def test_only_one_runs_and_is_stopped_by_name(cold: WarmVsearch, project: Path) -> None:
    assert cold("warm", "--stop", cwd=project).status == 1
    assert cold("doctor", "--json", cwd=project).json["index"]["warm helper"] == "none runs"
    with cold.helper(project) as process:
        assert cold("doctor", "--json", cwd=project).json["index"]["warm helper"] == f"process {process.pid}"
        assert "runs already" in cold("warm", cwd=project).error
        assert cold.warm("query", "pump", cwd=project) is not None
        stopped = cold("warm", "--stop", cwd=project)
        assert (stopped.status, stopped.out) == (0, "stopped\n")
        assert wait_for(process).status == 0


def test_a_socket_that_was_left_is_replaced(cold: WarmVsearch, project: Path) -> None:
    with cold.helper(project) as process:
        process.kill()
        process.wait()
        assert socket_of(cold).exists()
        assert cold("query", "pump", cwd=project).status == 0
    with cold.helper(project):
        assert cold.warm("query", "pump", cwd=project) is not None
    assert not list(Path(cold.environment["XDG_RUNTIME_DIR"], "vsearch").glob("*.sock"))


def test_a_helper_without_its_socket_ends(cold: WarmVsearch, project: Path) -> None:
    with cold.helper(project) as process:
        socket_of(cold).unlink()
        wait_until(lambda: process.poll() is not None, "the helper's end")
        assert process.returncode == 0


@pytest.mark.parametrize("kind", ["link", "open", "file", "busy"])
def test_an_unsafe_folder_is_not_used(cold: WarmVsearch, project: Path, tmp_path: Path, kind: str) -> None:
    unsafe = replace(cold, environment={**cold.environment, "XDG_RUNTIME_DIR": str(tmp_path / "run")})
    folder = tmp_path / "run" / "vsearch"
    folder.parent.mkdir()
    with cold.helper(project):
        real, name = socket_of(cold).parent, socket_of(cold).name
        if kind == "link":
            folder.symlink_to(real)
        elif kind == "file":
            folder.write_text("precious")
        else:
            folder.mkdir(0o755 if kind == "open" else 0o700)
            (folder / name).symlink_to(real / name) if kind == "open" else (folder / name).write_text("precious")
        assert unsafe.warm("query", "pump", cwd=project) is None
        assert unsafe("query", "pump", cwd=project).status == 0
        assert unsafe("warm", cwd=project).error
    assert kind not in {"file", "busy"} or "precious" in (folder / name if kind == "busy" else folder).read_text()

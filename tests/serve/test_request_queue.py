"""More requests than can wait are refused, slow ones end, and the newest generation is looked for."""

import asyncio
from collections.abc import Callable
from threading import Event

import pytest

pytest.importorskip("starlette")

from vsearch_core.errors import InputError, StorageError
from vsearch_core.serve.problems import Problem, problem_of
from vsearch_core.serve.request_queue import RequestQueue


class CountingIndex:
    def __init__(self) -> None:
        self.refreshes = 0

    def refresh(self) -> bool:
        self.refreshes += 1
        return False


async def outcomes(queue: RequestQueue, jobs: list[Callable[[], object]]) -> list[object]:
    return list(await asyncio.gather(*(queue.run(job) for job in jobs), return_exceptions=True))


def test_requests_beyond_the_queue_are_refused() -> None:
    index, go = CountingIndex(), Event()
    queue = RequestQueue(index, threads=1, waiting=2)

    async def ask() -> list[object]:
        tasks = [asyncio.ensure_future(queue.run(go.wait)) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert queue.in_progress == 3
        go.set()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    found = asyncio.run(ask())
    assert found[:3] == [True] * 3
    for refused in found[3:]:
        assert isinstance(refused, Problem) and (refused.status, refused.code) == (503, "busy")
        assert (b"retry-after", b"1") in refused.headers()
    assert (queue.in_progress, index.refreshes) == (0, 1)
    queue.close()


def test_an_answer_that_takes_too_long_is_given_up_but_keeps_its_thread() -> None:
    go = Event()
    queue = RequestQueue(CountingIndex(), threads=1, waiting=0, seconds=0.05)

    async def ask() -> None:
        with pytest.raises(Problem) as caught:
            await queue.run(go.wait)
        assert (caught.value.status, caught.value.code) == (504, "timeout")
        with pytest.raises(Problem) as caught:
            await queue.run(lambda: 1)
        assert caught.value.status == 503
        go.set()
        while queue.in_progress:
            await asyncio.sleep(0.01)
        assert await queue.run(lambda: 1) == 1

    asyncio.run(ask())
    queue.close()


def test_errors_of_a_job_reach_the_caller() -> None:
    queue = RequestQueue(CountingIndex(), threads=2)

    def fail() -> None:
        raise StorageError("disk", "is gone")

    (found,) = asyncio.run(outcomes(queue, [fail]))
    assert isinstance(found, StorageError)
    assert problem_of(found).status == 503
    assert problem_of(InputError("query", "it is empty", "empty-query")).status == 400
    queue.close()

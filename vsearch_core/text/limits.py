"""Limits on the time and memory that reading one file may take, where a worker process reads it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """Limits on reading one file: seconds of wall-clock time, and bytes of memory of the whole process."""

    seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Limits on what worker processes take. The limits on one file grow with its size.

    `window_bytes` bounds the files being read and the extracted texts that wait to be taken, of all workers together.
    """

    seconds: float = 30.0  # a file
    seconds_per_megabyte: float = 2.0
    memory: int = 256_000_000  # bytes a file, the worker itself included
    memory_per_byte: int = 20
    max_memory: int = 640_000_000
    window_bytes: int = 8 << 20

    def for_file(self, size: int) -> TaskLimits:
        """Return the limits on reading a file of `size` bytes."""
        memory = min(self.memory + self.memory_per_byte * size, self.max_memory)
        return TaskLimits(self.seconds + self.seconds_per_megabyte * (size / 1e6), memory)

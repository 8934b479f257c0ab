"""Limits on the time and memory that a worker process may use to read one file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """Limits on reading one file.

    Attributes:
        cpu_seconds: The maximum CPU time of the worker process.
        clock_seconds: The maximum wall-clock time. It ends reads that wait for something, such as a dead file server.
        memory: The maximum memory of the worker process, in bytes.
    """

    cpu_seconds: float
    clock_seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Limits on the time and memory of worker processes. The limits for one file grow with its size.

    Attributes:
        seconds: The maximum CPU time for an empty file.
        seconds_per_megabyte: The additional CPU time for each megabyte of a file.
        clock_factor: The maximum wall-clock time, in multiples of the maximum CPU time. On a busy machine, a file takes
            much longer by the clock.
        program_seconds: The additional wall-clock time for programs that a reader runs.
        memory: The maximum memory of a worker for an empty file, in bytes.
        memory_per_byte: The additional memory for each byte of a file, in bytes.
        max_memory: The maximum memory of a worker for any file, in bytes.
        window_bytes: A limit for all workers together: the size of the files that are being read plus that of the
            extracted texts that the run hasn't taken yet, in bytes.
    """

    seconds: float = 30.0
    seconds_per_megabyte: float = 2.0
    clock_factor: float = 10.0
    program_seconds: float = 0.0
    memory: int = 256_000_000
    memory_per_byte: int = 20
    max_memory: int = 640_000_000
    window_bytes: int = 8 << 20

    def for_file(self, size: int) -> TaskLimits:
        """Return the time and memory limits for a file of `size` bytes."""
        memory = min(self.memory + self.memory_per_byte * size, self.max_memory)
        seconds = self.seconds + self.seconds_per_megabyte * (size / 1e6)
        return TaskLimits(seconds, self.clock_factor * seconds + self.program_seconds, memory)

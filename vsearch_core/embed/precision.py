"""Which arithmetic suits this machine's CPU."""

import platform
import sys
from functools import cache
from pathlib import Path
from typing import Literal

Precision = Literal["int8", "fp32"]
PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")
CPU_INFO = Path("/proc/cpuinfo")
VNNI = {"avx512_vnni", "avx_vnni"}  # as Linux names them


@cache
def best_precision() -> tuple[Precision, str]:
    """The precision to use on this CPU, and why, in a few words.

    x86 without VNNI adds pairs of uint8 × int8 products in 16 bits, which saturate: int8 would be wrong there, not only
    slow. ARM widens before it adds.
    """
    if platform.machine().lower() in {"arm64", "aarch64"}:
        return "int8", "ARM CPUs multiply int8 exactly"
    if not sys.platform.startswith("linux"):
        return "fp32", "the CPU's VNNI flag can't be read on this system"
    found = sorted(VNNI & _cpu_flags())
    return ("int8", f"the CPU has {found[0]}") if found else ("fp32", "the CPU lacks VNNI")


def _cpu_flags() -> set[str]:
    """The first core's feature flags; the file repeats them for every core, so the reading stops there."""
    try:
        with CPU_INFO.open(encoding="utf-8", errors="replace") as lines:
            return next((set(line.split()) for line in lines if line.startswith("flags")), set())
    except OSError:
        return set()

"""Facts about the machine that the process runs on."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_POWER_SUPPLIES = Path("/sys/class/power_supply")  # Linux
_most_cores: int | None = None  # set once, before anything runs


def usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        cores = len(os.sched_getaffinity(0))
    return cores if _most_cores is None else min(cores, _most_cores)


def limit_cores(most: int) -> None:
    """Make this process use at most that many cores from now on."""
    global _most_cores  # noqa: PLW0603 - like an affinity mask, which not all systems have
    _most_cores = most


def is_on_battery(folder: Path = _POWER_SUPPLIES) -> bool:
    """Return True if the system says that a battery of the computer is being discharged, which only Linux does.

    Args:
        folder: The system's folder with a subfolder for each power supply:
            https://docs.kernel.org/power/power_supply_class.html
    """
    batteries = [supply for supply in _power_supplies(folder) if supply.get("type") == "Battery"]
    own = (supply for supply in batteries if supply.get("scope") != "Device")  # not that of a mouse
    return any(supply.get("status") == "Discharging" for supply in own)


def _power_supplies(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the properties of each power supply; those that can't be read are left out."""
    try:
        supplies = sorted(folder.iterdir())
    except OSError:
        return
    for supply in supplies:
        found = {}
        for name in ("type", "scope", "status"):
            with suppress(OSError, ValueError):
                found[name] = (supply / name).read_text(encoding="ascii").strip()
        yield found

"""Draw the charts of docs/benchmarks.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any


def bars(path: Path, title: str, unit: str, groups: Mapping[str, Mapping[str, float]]) -> None:
    """Write an SVG of grouped horizontal bars: `groups[group][series]` is a value in `unit`."""
    plt = _pyplot()
    series = list(dict.fromkeys(name for values in groups.values() for name in values))
    height = 0.8 / len(series)
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.32 * len(series) * len(groups)))
    for number, name in enumerate(series):
        places = [place + number * height for place in range(len(groups))]
        drawn = axes.barh(places, [values.get(name, 0) for values in groups.values()], height * 0.9, label=name)
        axes.bar_label(drawn, fmt="%.3g", padding=3)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(groups))], list(groups))
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    _save(figure, path)


def ranges(path: Path, title: str, values: Mapping[float, Sequence[float]], level: float) -> None:
    """Write an SVG of nDCG@10 by coverage: mean, lowest and highest of each, beside the `level` of keywords alone."""
    figure, axes = _pyplot().subplots(figsize=(7, 3.6))
    shares = [100 * share for share in values]
    means = [fmean(each) for each in values.values()]
    axes.fill_between(
        shares, [min(each) for each in values.values()], [max(each) for each in values.values()], alpha=0.2
    )
    axes.plot(shares, means, marker="o", label="hybrid: mean, lowest and highest")
    axes.axhline(level, color="gray", linestyle="--", label="keywords alone")
    axes.set_xlabel("chunks with a vector, %")
    axes.set_ylabel("nDCG@10")
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    _save(figure, path)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "vsearch"  # the same figures give the same file
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    _pyplot().close(figure)

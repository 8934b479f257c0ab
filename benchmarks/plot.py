"""Draw the bar charts of docs/benchmarks.md."""

from collections.abc import Mapping
from pathlib import Path


def bars(path: Path, title: str, unit: str, groups: Mapping[str, Mapping[str, float]]) -> None:
    """Write an SVG of grouped horizontal bars: `groups[group][series]` is a value in `unit`."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "vsearch"  # the same figures give the same file
    from matplotlib import pyplot as plt

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
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)

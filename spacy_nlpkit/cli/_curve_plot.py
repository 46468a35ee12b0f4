"""The plot of a learning curve, by matplotlib (extra `viz`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..util import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._curve_results import Point

WIDTH, HEIGHT = 7.0, 3.6  # inches; the height of each score's panel


def plot_curve(path: Path, curves: Mapping[str, Sequence[Point]], title: str, n_seeds: int) -> None:
    """Draw one panel a score over the number of documents: the mean as a line, in a band of one standard deviation.

    path (Path): Where the plot goes; its suffix, .svg or .png, is the format.
    curves: By the score's name, its points by growing size.
    n_seeds (int): How many runs a point is the mean of, for the legend.
    """
    import matplotlib
    from matplotlib.figure import Figure

    # Text stays text, and equal curves give equal files.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "learning-curve"}):
        figure = Figure(figsize=(WIDTH, HEIGHT * len(curves)), layout="constrained")
        panels = figure.subplots(len(curves), squeeze=False)[:, 0]
        for panel, (name, points) in zip(panels, curves.items()):
            _draw(panel, name, points, f"mean of {n_seeds} seeds" if n_seeds > 1 else "one seed")
        panels[0].set_title(title)
        format_ = path.suffix.removeprefix(".")
        metadata = {"Date": None} if format_ == "svg" else None
        with atomic_write(path, "wb") as file_:
            figure.savefig(file_, format=format_, dpi=150, metadata=metadata)


def _draw(panel: Axes, name: str, points: Sequence[Point], label: str) -> None:
    drawn = [(point.size, point.mean, point.std or 0.0) for point in points if point.mean is not None]
    sizes = [size for size, _, _ in drawn]
    means = [mean for _, mean, _ in drawn]
    panel.plot(sizes, means, marker="o", label=label)
    if any(std for _, _, std in drawn):
        low = [mean - std for _, mean, std in drawn]
        high = [mean + std for _, mean, std in drawn]
        panel.fill_between(sizes, low, high, alpha=0.2, linewidth=0, label="± standard deviation")
    panel.set_xscale("log")
    panel.set_xticks([point.size for point in points], labels=[f"{point.size:,}" for point in points])
    panel.minorticks_off()
    panel.set_xlabel("annotated documents")
    panel.set_ylabel(name)
    panel.grid(alpha=0.3)
    panel.legend(loc="lower right")

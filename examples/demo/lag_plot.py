"""Draws how far a fleet is behind, and how many accounts it passes."""

from pathlib import Path

from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure

LAG_COLOR, PASSES_COLOR = "#c0392b", "#0f766e"


@frozen
class Sample:
    """What the status said at a moment.

    Attributes:
        time: Seconds since the beginning.
        lag: Seconds since the oldest pass of any account.
        passes: Accounts whose last pass began in the second before.
    """

    time: float
    lag: float
    passes: int


def save_plot(samples: list[Sample], marks: list[tuple[float, str]], path: Path) -> None:
    """Draws lag and passes one above the other, with lines at what happened, into a PNG."""
    times = [sample.time for sample in samples]
    figure = Figure(figsize=(12, 7), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    draw(above, times, [sample.lag for sample in samples], "Lag: seconds since the oldest pass", LAG_COLOR)
    draw(below, times, [sample.passes for sample in samples], "Accounts passed in the last second", PASSES_COLOR)
    below.set_xlabel("seconds since the start")
    for moment, text in marks:
        for axes in (above, below):
            axes.axvline(moment, color="0.4", linewidth=1, linestyle="--")
        is_late = moment > times[-1] * 0.8
        offset, side = (-4, "right") if is_late else (4, "left")
        place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": side}
        above.annotate(text, (moment, 0), (offset, 6), color="0.3", **place)
    figure.savefig(path, dpi=120)


def draw(axes: Axes, times: list[float], values: list[float] | list[int], title: str, color: str) -> None:
    """Draws one curve."""
    axes.plot(times, values, color=color, linewidth=1.5)
    axes.set_title(title, loc="left")
    axes.set_ylim(bottom=0)
    axes.grid(color="0.85", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)

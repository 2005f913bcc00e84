"""Draws a recording."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pryv.types import Event

CLOSE_UP = (85, 95)  # seconds; the sensor sits well there
COLOR = "#c0392b"


def save_plot(events: list[Event], path: Path) -> None:
    """Draws the whole recording, and ten seconds of it close up, into a PNG."""
    seconds = [event["time"] - events[0]["time"] for event in events]
    values = [event["content"] for event in events]
    figure = Figure(figsize=(12, 7), layout="constrained")
    whole, close_up = figure.subplots(2)
    draw(whole, seconds, values, f"Pulse, {len(events):,} samples read back from Pryv.io", width=0.6)
    whole.axvspan(*CLOSE_UP, color="0.9", zorder=0)
    whole.set_xlim(seconds[0], seconds[-1])

    inside = [number for number, second in enumerate(seconds) if CLOSE_UP[0] <= second <= CLOSE_UP[1]]
    part = slice(inside[0], inside[-1] + 1)
    draw(close_up, seconds[part], values[part], "Ten seconds of it (shaded above)", width=1.5)
    close_up.set_xlim(*CLOSE_UP)
    close_up.set_xlabel("seconds since the start")
    figure.savefig(path, dpi=120)


def draw(axes: Axes, seconds: list[float], values: list[int], title: str, width: float) -> None:
    """Draws one curve, with the settings that both share."""
    axes.plot(seconds, values, color=COLOR, linewidth=width)
    axes.set_title(title, loc="left")
    axes.set_ylabel("sensor value")
    axes.grid(color="0.85", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)

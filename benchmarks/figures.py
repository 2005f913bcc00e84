"""Tables and charts of a run, for the page `docs/performance.md`: `figures.py REPORT.json`."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "performance.md"
_TABLES = re.compile(r"(?<=<!-- tables of a run -->\n).*?(?=<!-- end -->)", re.DOTALL)
_PEERS = {"events", "events-speed", "pandas", "arrow", "pandas-speed", "arrow-speed"}
"""The rows of the first chart."""
_BLUE, _ORANGE, _GREY = "#3a86c8", "#c9752b", "#7a828c"
"""These can be read on white and on black."""

Line = dict[str, Any]
Report = dict[str, Any]


def main() -> None:
    """Write the tables into the page, and the charts beside it."""
    report = json.loads(Path(sys.argv[1]).read_text())
    PAGE.write_text(_TABLES.sub(lambda _: f"\n{tables(report)}\n\n", PAGE.read_text()))
    draw(report, DOCS / "charts")


def tables(report: Report) -> str:
    """Return a table for each part of the SDK, in Markdown."""
    parts = [
        "\n".join([f"### {part}", "", "| what | beside | measured | ratio | reach |", "| - | - | - | - | - |", *lines])
        for part, lines in ((part, _lines(rows)) for part, rows in itertools.groupby(report["rows"], _part))
    ]
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    return "\n\n".join([*parts, f"Measured on: {machine}."])


def _part(line: Line) -> str:
    part: str = line["part"]
    return part


def _lines(rows: Iterator[Line]) -> Iterator[str]:
    previous = ""
    for row in rows:
        what = row["what"] if row["figure"] == "CPU" else f"{row['what']} ({row['figure']})"
        values = [f"{value:.3g}" for value in (row["subject"], row["reference"]) if value is not None]
        measured = f"{' / '.join(values)} {row['unit']}" if values else ""
        reach = "" if row["reach"] is None else f"≤\u00a0{row['reach']:g}"
        cells = ["" if what == previous else what, row["reference_name"], measured.strip(), _ratio(row), reach]
        yield f"| {' | '.join(cells)} |"
        previous = what


def _ratio(row: Line) -> str:
    if row["ratio"] is None:
        return ""
    if not row["spread"]:
        return f"**{row['ratio']:.2f}**"
    low, high = (f"{value:.2f}" for value in row["spread"])
    return f"**{row['ratio']:.2f}** ({low}–{high})" if low != high else f"**{row['ratio']:.2f}**"  # noqa: RUF001


def draw(report: Report, folder: Path) -> None:
    """Draw the charts: cost beside peers, ratios, cost and memory by size."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "pryv", "font.size": 10, "text.color": _GREY, "axes.labelcolor": _GREY}
    mpl.rcParams |= {"axes.edgecolor": _GREY, "xtick.color": _GREY, "ytick.color": _GREY, "axes.titlesize": 11}
    from matplotlib.figure import Figure

    folder.mkdir(exist_ok=True)
    for name, fill in (("peers", _draw_peers), ("ratios", _draw_ratios), ("sizes", _draw_sizes)):
        figure = Figure(layout="constrained")
        fill(figure, report)
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None})


def _plain(text: str) -> str:
    return text.replace("`", "")


def _named(report: Report, row: str) -> list[Line]:
    return [line for line in report["rows"] if line["row"] == row]


def _draw_peers(figure: Any, report: Report) -> None:
    """Draw CPU time as bars: reading events and making frames, beside other ways."""
    events, frames = _named(report, "events"), _named(report, "pandas")
    reading = {"iter_events": events[0], "iter_events, pryv[speed]": _named(report, "events-speed")[0]}
    making = {
        "to_pandas": frames[0],
        "to_arrow": _named(report, "arrow")[0],
        "to_pandas, pryv[speed]": _named(report, "pandas-speed")[0],
        "to_arrow, pryv[speed]": _named(report, "arrow-speed")[0],
    }
    groups = [
        ("Read 100,000 events", reading, events),
        ("A frame of 100,000 events", making, frames),
    ]
    figure.set_size_inches(7.4, 4.6)
    heights = [len(own) + len(others) for _, own, others in groups]
    for axes, (title, own, others) in zip(figure.subplots(2, height_ratios=heights), groups, strict=True):
        bars = [(name, line["subject"], _BLUE) for name, line in own.items()]
        bars += [(_plain(line["reference_name"]), line["reference"], _GREY) for line in others]
        bars.sort(key=lambda bar: bar[1], reverse=True)
        names, values, colors = zip(*bars, strict=True)
        drawn = axes.barh(names, values, color=colors, height=0.65)
        axes.bar_label(drawn, fmt="%.2f s", padding=4, color=_GREY)
        axes.set_title(f"{title}: seconds of CPU", loc="left")
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.set_xlim(0, 1.12 * max(values))


def _draw_ratios(figure: Any, report: Report) -> None:
    """Draw the ratios of the other rows to their first references, on a logarithmic axis."""
    first = {line["what"]: line for line in reversed(report["rows"]) if line["row"] not in _PEERS}
    lines = [line for line in first.values() if (line["ratio"] or 0) > 0]
    names = [_plain(f"{line['what']}\nbeside {line['reference_name']}") for line in lines]
    figure.set_size_inches(7.4, 0.36 * len(lines) + 0.6)
    axes = figure.subplots()
    for place, line in enumerate(lines):
        ratio = line["ratio"]
        axes.plot([1, ratio], [place, place], color=_BLUE if ratio <= 1 else _ORANGE, linewidth=2)
        axes.plot(ratio, place, "o", color=_BLUE if ratio <= 1 else _ORANGE, markersize=6)
        if line["spread"]:
            axes.plot(line["spread"], [place, place], color=_GREY, linewidth=5, alpha=0.5, solid_capstyle="butt")
        side, furthest = (-1, min) if ratio <= 1 else (1, max)
        at = (furthest([ratio, *(line["spread"] or [])]), place)
        style = {"va": "center", "ha": "right" if side < 0 else "left", "fontsize": 8}
        axes.annotate(f"{ratio:.2f}", at, (8 * side, 0), textcoords="offset points", **style)
    axes.axvline(1, color=_GREY, linewidth=1)
    axes.set_yticks(range(len(lines)), names, fontsize=7.5)
    axes.set_xscale("log")
    marks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axes.minorticks_off()
    ratios = [line["ratio"] for line in lines]
    axes.set_xlim(0.4 * min(ratios), 2 * max(ratios))
    axes.set_ylim(-0.7, len(lines) - 0.3)
    axes.set_title("Ratio (below 1, this SDK costs less)", loc="left")


def _draw_sizes(figure: Any, report: Report) -> None:
    """Draw memory, and CPU time by the event, over the number of events."""
    costs = _named(report, "by_size")[0]["rounds"]["costs"]
    figure.set_size_inches(7.4, 2.9)
    memory, cpu = figure.subplots(1, 2)
    sizes = [item["events"] for item in costs["`iter_events`"]]
    for color, (name, items) in zip((_BLUE, _GREY), costs.items(), strict=True):
        for axes, key in ((memory, "memory"), (cpu, "cpu")):
            axes.plot(sizes[: len(items)], [item[key] for item in items], "o-", color=color, linewidth=2)
        end = (sizes[len(items) - 1], items[-1]["memory"])
        memory.annotate(_plain(name), end, (-10, 6), textcoords="offset points", ha="right", color=color)
    for axes, title in ((memory, "Memory, MiB"), (cpu, "CPU by the event, µs")):
        axes.set_xscale("log")
        axes.margins(y=0.15)
        axes.set_ylim(0, None)
        axes.set_xlabel("events")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_title(title, loc="left")
        axes.grid(color=_GREY, alpha=0.2)


if __name__ == "__main__":
    main()

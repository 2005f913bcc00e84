# %% [markdown]
"""
# A pulse, beat by beat

The recording is in an account, and a mirror has a copy of it in SQLite. pandas reads the copy, without requests to the
platform. (Each `# %%` begins a cell in editors with notebook support: VS Code, Spyder, PyCharm.)
"""

# %%
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from account import argument_parser, open_account
from import_csv import RECORDING, STREAM, import_csv
from pryv_monitor import Monitor, SQLiteMirror

parser = argument_parser("Reads a copy of an account with pandas, and plots the heart rate beat by beat.")
parser.add_argument("file", metavar="FILE", type=Path, nargs="?", default=RECORDING, help="default: %(default)s")
parser.add_argument("--mirror", metavar="COPY", type=Path, help="the copy (default: a temporary one)")
parser.add_argument("--plot", metavar="PNG", type=Path, default="analysis.png", help="default: %(default)s")
options, _ = parser.parse_known_args()  # a notebook's kernel has other arguments

# %% Bring the copy up to date: everything the first time, then the changes.
directory = tempfile.TemporaryDirectory()
copy = options.mirror or Path(directory.name) / "pulse.db"
with open_account(options.endpoint) as account:
    import_csv(account, options.file)
    report = Monitor(account, {"streams": [STREAM]}, mirror=SQLiteMirror(copy)).sync()
    print(f"{report.events:,} new or changed events, {report.seconds:.1f} s")

# %% Read it.
with closing(sqlite3.connect(copy)) as db:
    events = pd.read_sql("SELECT time, content FROM events WHERE NOT trashed ORDER BY time", db)
pulse = events.set_index(pd.to_datetime(events["time"], unit="s", utc=True))["content"]
print(pulse.describe())

# %% A beat is the highest point of the pulse while it is well above its own mean of 1.5 seconds.
steady = pulse[pulse.index[0] + pd.Timedelta("45s") :]  # until then, the sensor was put on
high = steady > 1.06 * steady.rolling("1.5s", center=True).mean()
beats = steady[high].groupby((high != high.shift()).cumsum()[high]).idxmax()

# %% When the hand moved, there are false beats: leave out intervals that differ much from those around them.
intervals = pd.Series(beats.diff().dt.total_seconds().to_numpy(), index=pd.DatetimeIndex(beats)).dropna()
counts = (intervals / intervals.rolling(25, center=True, min_periods=1).median()).between(0.75, 1.25)
rate = 60 / intervals[counts]
print(f"{rate.mean():.0f} beats a minute, from {rate.min():.0f} to {rate.max():.0f}; {(~counts).sum()} left out")

# %% Plot it.
RED, BLUE = "#c0392b", "#2c3e50"
figure = Figure(figsize=(12, 6.5), layout="constrained")
close_up, course = figure.subplots(2)
part = steady["2026-01-05 08:01:22":"2026-01-05 08:01:36"]
marked = beats[(beats >= part.index[0]) & (beats <= part.index[-1])]
close_up.plot(part, color=RED, linewidth=1.3)
close_up.plot(marked, part[marked], "o", color=BLUE, markersize=5, label="beat")
close_up.set_title("Pulse: fifteen seconds, with the beats that were found", loc="left")
close_up.set_ylabel("sensor value")
close_up.legend(frameon=False, loc="lower right")
course.plot(rate, ".", color="0.6", markersize=6, label="each beat")
course.plot(rate.rolling("10s", center=True).mean(), color=BLUE, linewidth=1.8, label="mean of 10 s")
course.set_title(f"Heart rate: {rate.mean():.0f} beats a minute", loc="left")
course.set_ylabel("beats a minute")
course.set_xlabel("time of day, UTC")
course.legend(frameon=False, loc="upper right")
for axes in (close_up, course):
    axes.grid(color="0.9", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
figure.savefig(options.plot, dpi=120)
print(options.plot)

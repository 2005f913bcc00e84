"""Stores a pulse recording as a series, from a NumPy array, reads it back, and plots it with its heart rate."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from account import argument_parser, open_account
from pryv import Connection

STREAM = "example-series"
RECORDING = Path(__file__).parent / "data" / "pulse.csv"
FIELDS = ["deltaTime", "value"]
STEADY = 30  # seconds until the sensor sits well

Array = NDArray[np.float64]


def main(connection: Connection, plot: Path) -> None:
    samples = np.loadtxt(RECORDING, delimiter=",", skiprows=1)
    samples[:, 0] /= 1000  # milliseconds

    connection.streams.ensure({"id": STREAM, "name": "Series"})
    event = connection.events.create({"streamIds": [STREAM], "type": "series:count/generic"})
    sent = connection.add_points_to_hf_event(event["id"], FIELDS, samples)
    print(f"{sent:,} points sent")

    columns = connection.get_hf_points(event["id"]).columns()
    seconds, values = np.array(columns["deltaTime"]), np.array(columns["value"])
    same = np.array_equal(values, samples[:, 1]) and np.allclose(seconds, samples[:, 0], rtol=0, atol=1e-6)
    print(f"{len(values):,} points read, {'as' if same else 'not as'} they were sent")

    steady = seconds >= STEADY
    rates, power = spectrum(seconds[steady], values[steady])
    heart_rate = float(rates[power.argmax()])
    print(f"heart rate: {heart_rate:.0f} beats a minute")
    draw(seconds, values, rates, power, heart_rate).savefig(plot, dpi=120)
    print(plot)


def spectrum(seconds: Array, values: Array) -> tuple[Array, Array]:
    """The rates between 30 and 150 a minute, and the power of each."""
    interval = np.diff(seconds).mean()
    power = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(values)))) ** 2
    rates = np.fft.rfftfreq(len(values), interval) * 60
    plausible = (rates >= 30) & (rates <= 150)
    return np.asarray(rates[plausible]), np.asarray(power[plausible] / power[plausible].max())


def draw(seconds: Array, values: Array, rates: Array, power: Array, heart_rate: float) -> Figure:
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    signal, strength = figure.subplots(2)
    part = (seconds >= 85) & (seconds <= 95)
    signal.plot(seconds[part], values[part], color="#c0392b", linewidth=1.5)
    signal.set_title("Pulse: ten seconds of the series", loc="left")
    signal.set_xlabel("seconds since the start")
    signal.set_ylabel("sensor value")
    signal.set_xlim(85, 95)
    strength.plot(rates, power, color="#2c3e50", linewidth=1.2)
    strength.annotate(f"{heart_rate:.0f} beats a minute", (heart_rate, 1), (8, -6), textcoords="offset points")
    strength.set_title(f"Power spectrum, from second {STEADY} on", loc="left")
    strength.set_xlabel("cycles a minute")
    strength.set_ylabel("power, relative")
    strength.set_xlim(30, 150)
    strength.set_ylim(0, 1.05)
    for axes in (signal, strength):
        axes.grid(color="0.9", linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    parser.add_argument("--plot", metavar="PNG", type=Path, default="series.png", help="default: %(default)s")
    options = parser.parse_args()
    with open_account(options.endpoint) as account:
        main(account, options.plot)

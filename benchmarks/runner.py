"""Runs contenders in separate processes, in turn, and computes the medians."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs

from row import Contender, Finding, Function, Row, Script

HERE = Path(__file__).parent
SUBJECT = "this SDK"
_UNITS = {"cpu": ("CPU", "s"), "wall": ("time", "s"), "memory": ("memory", "MiB")}

Measurement = dict[str, float]


@attrs.frozen
class Result:
    """One line of the table: medians, and the ratio of the subject's to the reference's."""

    part: str
    row: str
    what: str
    figure: str
    unit: str
    subject: float | None
    reference_name: str
    reference: float | None
    ratio: float | None
    spread: tuple[float, float] | None
    reach: float | None
    rounds: Any


def measure(module: str, row: Row, size: int, rounds: int, environment: Mapping[str, str]) -> list[Result]:
    """Run a row's contenders in turn, in the reverse order in every other round."""
    contenders: dict[str, Contender] = {SUBJECT: row.subject, **row.references}
    measurements: dict[str, list[Measurement]] = {name: [] for name in contenders}
    with serving(module, row, size) as url:
        for number in range(rounds):
            for name in list(contenders)[:: -1 if number % 2 else 1]:
                measurements[name].append(run(contenders[name], module, url, size, environment))
    figures = {name: [item[row.figure] for item in items] for name, items in measurements.items()}
    part = part_of(module)
    what, unit = _UNITS[row.figure]
    mine = figures[SUBJECT]

    def result(name: str, reference: float | None, ratios: list[float]) -> Result:
        ratio, spread = (statistics.median(ratios), middle_half(ratios)) if ratios else (None, None)
        subject, reach = statistics.median(mine), row.reach.get(name)
        return Result(
            part, row.name, row.what, what, unit, subject, name, reference, ratio, spread, reach, measurements
        )

    if not row.references:
        return [result("", None, [])]
    return [
        result(name, statistics.median(figures[name]), [a / b for a, b in zip(mine, figures[name], strict=True)])
        for name in row.references
    ]


def middle_half(values: list[float]) -> tuple[float, float]:
    """Return the first and the third quartile."""
    if len(values) == 1:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


@contextmanager
def serving(module: str, row: Row, size: int) -> Iterator[str]:
    """Run a row's server, if it has one; yield its URL."""
    if row.site is None:
        yield ""
        return
    command = [sys.executable, str(HERE / "server.py"), module, row.name, str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        if server.stdout is None or not (url := server.stdout.readline().strip()):
            raise RuntimeError("the server did not start")
        yield url
        server.communicate()


def run(contender: Contender, module: str, url: str, size: int, environment: Mapping[str, str]) -> Measurement:
    """Run a contender once."""
    if isinstance(contender, Function):
        command = [sys.executable, str(HERE / "contender.py"), module, contender.name, url, str(size)]
        return reported(command, environment)
    command = [argument.format(url=url, size=size, here=HERE) for argument in contender.arguments]
    return reported(command, environment) if contender.reports else observed(command, environment)


def reported(command: list[str], environment: Mapping[str, str]) -> Measurement:
    """Run a process that prints its own figures."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603
    measurement: Measurement = json.loads(done.stdout.splitlines()[-1])
    return measurement


def observed(command: list[str], environment: Mapping[str, str]) -> Measurement:
    """Run a process and measure it from outside."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {"items": 1, "cpu": usage.ru_utime + usage.ru_stime, "wall": wall, "memory": usage.ru_maxrss / 1024}


def part_of(module: str) -> str:
    """Return the part of the SDK that a module of rows measures."""
    return (import_module(module).__doc__ or "").partition(".")[0]


def run_script(module: str, script: Script, size: int, environment: Mapping[str, str]) -> list[Result]:
    """Run a script and return its findings."""
    command = [sys.executable, str(HERE / f"{script.name}.py"), str(size)]
    report = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)  # noqa: S603

    def result(finding: Finding) -> Result:
        found = float(report[finding.key])
        subject, ratio = (None, found) if finding.reference else (found, None)
        reference, reach = finding.reference, finding.reach
        unit = "MiB" if finding.figure == "memory" else ""
        names = (part_of(module), script.name, finding.what, finding.figure, unit)
        return Result(*names, subject, reference, None, ratio, None, reach, report)

    return [result(finding) for finding in script.findings]

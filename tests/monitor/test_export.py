"""`pryv-monitor export`: a mirror's events as Parquet and CSV, whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.monitor.subject import Subject

from pryv_monitor import Monitor, SQLiteMirror, cli

CONTENTS: list[Any] = [
    61.5,
    61,
    'two\nlines, "quoted"',
    {"latitude": 1.5, "deep": [1, {"a": None}]},
    True,
    None,
    10**20,
]


@pytest.fixture
def mirror(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SQLiteMirror:
    """A mirror in the working directory, with an event of each kind of content, a trashed one and a deletion."""
    for number, content in enumerate(CONTENTS):
        subject.add(content=content, time=1_600_000_000.25 + number, type="test/any")
    (deleted,) = subject.add()
    monkeypatch.chdir(tmp_path)
    mirror = SQLiteMirror("copy.db")
    monitor = Monitor(subject.connection, mirror=mirror)
    monitor.sync()
    subject.delete(deleted)
    monitor.sync()
    return mirror


def test_parquet_is_the_table_of_the_mirror(mirror: SQLiteMirror) -> None:
    assert cli.main(["export", "copy.db", "--parquet", "out"]) == 0
    assert [path.name for path in Path("out").iterdir()] == ["events.parquet"]
    assert pq.read_table("out/events.parquet").equals(mirror.to_arrow())
    assert (
        pd.read_parquet("out")["content_text"].dropna().tolist() == mirror.to_pandas()["content_text"].dropna().tolist()
    )


def test_csv_is_the_frame_of_the_mirror(mirror: SQLiteMirror) -> None:
    assert cli.main(["export", "copy.db", "--csv", "events.csv"]) == 0
    with Path("events.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    frame = mirror.to_pandas()
    assert list(rows[0]) == list(frame.columns)
    for row, (_, wanted) in zip(rows, frame.iterrows(), strict=True):
        assert datetime.fromisoformat(row["time"]) == wanted["time"].to_pydatetime()
        assert json.loads(row["stream_ids"]) == wanted["stream_ids"]
        assert row["content"] == "" if pd.isna(wanted["content"]) else float(row["content"]) == wanted["content"]
        assert row["content_text"] == (wanted["content_text"] or "")
        assert (row["id"], row["type"], row["trashed"]) == (wanted["id"], wanted["type"], "false")


def test_csv_to_standard_output(mirror: SQLiteMirror) -> None:
    cli.main(["export", "copy.db", "--csv", "events.csv"])
    command = [sys.executable, "-m", "pryv_monitor", "export", "copy.db", "--csv", "-"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == Path("events.csv").read_bytes()
    assert not Path("-").exists()


@pytest.mark.parametrize("arguments", [("--parquet", "."), ("--csv", "./events.parquet")])
def test_an_export_replaces_the_last_one(mirror: SQLiteMirror, arguments: tuple[str, str]) -> None:
    target = Path("events.parquet")
    target.write_text("the last one")
    target.chmod(0o644)
    with target.open() as last, mirror.lock():  # a monitor is at work
        assert cli.main(["export", "copy.db", *arguments]) == 0
        assert last.read() == "the last one"
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.read_bytes()[:3] in (b"PAR", b"id,")


def test_a_directory_that_is_made_is_private(mirror: SQLiteMirror) -> None:
    cli.main(["export", "copy.db", "--parquet", "out"])
    assert Path("out").stat().st_mode & 0o777 == 0o700
    assert Path("out/events.parquet").stat().st_mode & 0o777 == 0o600


def test_exports_that_are_refused(mirror: SQLiteMirror, capsys: pytest.CaptureFixture[str]) -> None:
    Path("text").write_text("no mirror")
    Path("empty").touch()
    Path("link.csv").symlink_to("copy.db")
    Path("pipe").mkdir()
    os.mkfifo("pipe/events.parquet")
    before = sorted(Path().iterdir()), Path("copy.db").read_bytes()
    for arguments, code in (
        (["nothing.db", "--csv", "a"], 1),
        (["text", "--csv", "a"], 1),
        (["text", "--parquet", "a"], 1),
        (["empty", "--csv", "a"], 2),
        (["copy.db", "--csv", "copy.db"], 2),
        (["copy.db", "--csv", "link.csv"], 2),
        (["copy.db", "--csv", "pipe"], 1),
        (["copy.db", "--csv", "missing/a"], 1),
        (["copy.db", "--parquet", "text"], 1),
        (["copy.db", "--parquet", "missing/a"], 1),
        (["copy.db", "--parquet", "pipe"], 1),
    ):
        assert cli.main(["export", *arguments]) == code, arguments
        assert len(capsys.readouterr().err.splitlines()) == 1
    for wrong in (["copy.db"], ["copy.db", "--csv", "a", "--parquet", "b"], ["copy.db", "--csv", ""]):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["export", *wrong])
    assert before == (sorted(Path().iterdir()), Path("copy.db").read_bytes())


@pytest.mark.parametrize("arguments", [("--parquet", "out"), ("--csv", "out.csv"), ("--parquet", ".")])
def test_a_full_disk_leaves_the_last_export(mirror: SQLiteMirror, subject: Subject, arguments: tuple[str, str]) -> None:
    subject.add(1500)
    Monitor(subject.connection, mirror=mirror).sync()
    Path("events.parquet").write_text("the last one")
    before = sorted(Path().iterdir())
    script = f"""
import resource, signal, sys
from pryv_monitor import cli
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))  # SQLite needs 32 KiB beside the mirror
sys.exit(cli.main({["export", "copy.db", *arguments]}))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert re.search(r"(out\.csv|events\.parquet): File too large$", done.stderr)
    assert sorted(Path().iterdir()) == before
    assert Path("events.parquet").read_text() == "the last one"


def test_a_missing_extra_is_named_before_anything_is_written(mirror: SQLiteMirror) -> None:
    script = "import sys; sys.modules['pyarrow'] = None\nfrom pryv_monitor import cli\n"
    script += "sys.exit(cli.main(['export', 'copy.db', '--parquet', 'out']))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "pryv[arrow]"' in done.stderr
    assert not Path("out").exists()


def test_a_mirror_without_events_has_columns(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mirror = SQLiteMirror("copy.db")
    Monitor(subject.connection, {"streams": ["notes"]}, mirror=mirror).sync()
    for arguments in (["--parquet", "out"], ["--csv", "out.csv"]):
        assert cli.main(["export", "copy.db", *arguments]) == 0
    assert pq.read_schema("out/events.parquet").equals(mirror.to_arrow().schema)
    assert Path("out.csv").read_text().count("\n") == 1

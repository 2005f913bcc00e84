"""The tables as others read them: SQL, views, Parquet files, metrics."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from tests.accounts import Account
from tests.fleet.persons import access_to, note

from pryv_fleet import Fleet, FleetMetrics
from pryv_sandbox import Sandbox


def weigh(account: Account, kilograms: float, time: float) -> dict[str, object]:
    event = {"streamIds": ["diary"], "type": "mass/kg", "content": kilograms, "time": time}
    return dict(account[2].api_one("events.create", event, "event"))


@pytest.fixture
def weighed(fleet: Fleet, new_account: Callable[[], Account]) -> Account:
    account = new_account()
    fleet.add(access_to(account))
    for time, kilograms in enumerate((61.5, 60.0, 60.5)):
        weigh(account, kilograms, 1_600_000_000 + time)
    fleet.sync_due()
    return account


def test_a_view_has_the_events_of_a_type(fleet: Fleet, weighed: Account) -> None:
    assert fleet.create_view("mass/kg") == fleet.create_view("mass/kg") == "mass_kg"
    rows = fleet._database.execute("SELECT account, number, moment::text FROM {schema}.mass_kg ORDER BY moment")
    assert [row[:2] for row in rows] == [(weighed[0], 61.5), (weighed[0], 60.0), (weighed[0], 60.5)]
    assert rows[0][2].startswith("2020-09-13")
    for wrong in ("mass", "mass/kg; DROP TABLE x", "a/" + "b" * 70):
        with pytest.raises(ValueError, match=r"mass/kg|view"):
            fleet.create_view(wrong)


def test_a_view_does_not_replace_that_of_another_type(fleet: Fleet) -> None:
    assert fleet.create_view("blood-pressure/mmhg") == "blood_pressure_mmhg"
    with pytest.raises(ValueError, match="blood_pressure_mmhg is that of blood-pressure/mmhg"):
        fleet.create_view("blood/pressure-mmhg")


def test_readers_of_the_tables_may_read_a_view(fleet: Fleet, weighed: Account) -> None:
    roles = {"all": f'an "{weighed[0]}', "events": f"{weighed[0]}_2", "names": f"{weighed[0]}_3"}
    quoted = {role: sql.Identifier(name).as_string(None) for role, name in roles.items()}
    with psycopg.connect(fleet._database._dsn, autocommit=True) as connection:
        for role, name in quoted.items():
            connection.execute(f"CREATE ROLE {name}; GRANT USAGE ON SCHEMA pryv TO {name}")
            if role != "names":
                connection.execute(f"GRANT SELECT ON pryv.events TO {name}")
            if role != "events":
                connection.execute(f"GRANT SELECT (id, name) ON pryv.accounts TO {name}")
        fleet.create_view("mass/kg")
        connection.execute("GRANT SELECT ON pryv.events TO PUBLIC; GRANT SELECT (name) ON pryv.accounts TO PUBLIC")
        assert fleet.create_view("note/txt") == "note_txt"
        allowed = {}
        for role, name in quoted.items():
            for view in ("mass_kg", "note_txt"):
                connection.execute(f"SET ROLE {name}")
                with suppress(psycopg.errors.InsufficientPrivilege):
                    allowed[role, view] = connection.execute(f"SELECT count(*) FROM pryv.{view}").fetchone()
                connection.execute("RESET ROLE")
            connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
    everybody = {(role, "note_txt"): (0,) for role in roles}
    assert allowed == {("all", "mass_kg"): (3,), **everybody}


def test_exports_are_read_by_duckdb(fleet: Fleet, weighed: Account, tmp_path: Path) -> None:
    name, _, connection = weighed
    first = fleet.export_parquet(tmp_path)
    assert average_by_the_guide(tmp_path) == [(name, pytest.approx(60.667, abs=0.001))]
    assert first.events >= 3
    again = fleet.export_parquet(tmp_path, since=first.snapshot)
    assert (again.events, again.deletions) == (0, 0)
    event = weigh(weighed, 59.5, 1_600_000_100)
    connection.events.delete(str(note(connection, "gone")["id"]), permanently=True)
    fleet.sync(name)
    later = fleet.export_parquet(tmp_path, since=again.snapshot)
    assert (later.events, later.deletions) == (1, 0)
    connection.events.delete(str(event["id"]), permanently=True)
    latest = next(fleet.mirror(name).events({"types": ["mass/kg"], "toTime": 1_600_000_010}))
    connection.events.update(latest["id"], {"content": latest["content"] + 3})
    fleet.sync(name)
    last = fleet.export_parquet(tmp_path, since=later.snapshot)
    assert (last.events, last.deletions) == (1, 1)
    assert average_by_the_guide(tmp_path) == [(name, pytest.approx(61.667, abs=0.001))]


def average_by_the_guide(directory: Path) -> list[tuple[object, ...]]:
    """Return what the statements of the guide say of the files in a directory."""
    guide = Path(__file__).resolve().parents[2] / "docs" / "guides" / "fleet.md"
    (block,) = re.findall(r"```text\n(CREATE VIEW events.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    with duckdb.connect() as connection:
        return connection.execute(block.replace("'parquet/", f"'{directory}/")).fetchall()


def test_the_rows_of_an_export_are_written_in_groups_of_a_size(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet._database.execute("INSERT INTO {schema}.accounts (name) VALUES ('alice')")
    fleet._database.execute(
        "INSERT INTO {schema}.events (account, id, trashed, json, generation) "
        "SELECT a.id, number, false, '{{}}', 1 FROM {schema}.accounts a, generate_series(1, 500) number"
    )
    for groups in (1, 3):
        fleet.export_parquet(tmp_path)
        (file,) = tmp_path.glob("events-*.parquet")
        metadata = pq.ParquetFile(file).metadata
        assert (metadata.num_rows, metadata.num_row_groups) == (500, groups)
        monkeypatch.setattr("pryv_fleet._export._GROUP", 1)


def test_an_export_misses_no_late_commit(fleet: Fleet, weighed: Account, tmp_path: Path) -> None:
    """A transaction that began before an export and commits after it is in the next one."""
    dsn = fleet._database._dsn
    with psycopg.connect(dsn) as slow:
        slow.execute("SELECT pg_current_xact_id()")
        fleet._database.execute("SELECT pg_current_xact_id()")
        first = fleet.export_parquet(tmp_path)
        columns = "(account, id, trashed, json, generation)"
        slow.execute(f"INSERT INTO pryv.events {columns} SELECT id, 'late', false, '{{}}', 1 FROM pryv.accounts")
        slow.execute("UPDATE pryv.accounts SET changed = pg_current_xact_id()")
        slow.commit()
    assert fleet.export_parquet(tmp_path, since=first.snapshot).events == 1


@pytest.mark.parametrize("since", ["", "1", "a:b:", "1:99999999999:", "1:2:x", "0:0:"])
def test_a_snapshot_of_another_database_is_refused(since: str, fleet: Fleet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="make a whole export"):
        fleet.export_parquet(tmp_path, since=since)
    assert list(tmp_path.iterdir()) == []


def test_metrics_name_platforms_and_no_account(
    fleet: Fleet, weighed: Account, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    registry = CollectorRegistry()
    FleetMetrics(fleet, registry)
    other = new_account()
    fleet.add(access_to(other))
    sandbox.faults.status(503)
    fleet.sync_due()
    weigh(weighed, 59.0, 1_600_000_200)
    fleet._database.execute("UPDATE {schema}.accounts SET due = now()")
    fleet.sync_due()
    text = generate_latest(registry).decode()
    platform = fleet.status().platforms[0].url
    assert f'pryv_fleet_passes_total{{outcome="failed",platform="{platform}"}} 1.0' in text
    assert 'pryv_fleet_accounts{state="active"} 2.0' in text
    assert 'pryv_fleet_requests_total{status="503"} 1.0' in text
    assert 'pryv_fleet_requests_total{status="200"}' in text
    for line in (
        "pryv_fleet_lag_seconds",
        "pryv_fleet_due",
        "pryv_fleet_in_flight 0.0",
        "pryv_fleet_events_applied_total",
    ):
        assert line in text
    for name in (weighed[0], other[0]):
        assert name not in text


def test_metrics_of_the_process_are_available_without_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pryv_fleet.metrics._WAIT", 0.2)
    registry = CollectorRegistry()
    with Fleet("postgresql://user@127.0.0.1:1/nobody") as fleet:
        FleetMetrics(fleet, registry)
        text = generate_latest(registry).decode()
    assert "pryv_fleet_up 0.0" in text
    assert "pryv_fleet_passes_total" in text
    assert "pryv_fleet_lag_seconds" not in text


def test_statements_work_through_a_given_pool(fleet: Fleet, weighed: Account) -> None:
    options = {"row_factory": dict_row}  # as a program may want it for its own statements
    with (
        ConnectionPool(fleet._database._dsn, min_size=1, max_size=2, kwargs=options) as pool,
        Fleet(pool) as second,
    ):
        weigh(weighed, 58.0, 1_600_000_300)
        assert second.sync(weighed[0]).events == 1
        second.close()
        assert second.status().accounts == 1
        with pool.connection() as connection:
            rows: list[Any] = list(connection.execute("SELECT 1 AS number"))
    assert rows == [{"number": 1}]

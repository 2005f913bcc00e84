"""The statements in the guide work on the tables."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.accounts import Account
from tests.fleet.persons import access_to

from pryv_fleet import Fleet

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "fleet.md"
BLOCKS = re.findall(r"```text\n((?:SELECT|WITH|CREATE|GRANT).*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
STATEMENTS = [part.strip() for block in BLOCKS if "parquet" not in block for part in block.split(";") if part.strip()]

HOSTILE = [
    (1e300, "mass/kg", "70"),
    (-1e300, "mass/kg", "70"),
    (0.0, "mass/kg", '"heavy"'),
    (1e300, "blood-pressure/mmhg-bpm", '{"systolic": "high"}'),
    (0.0, "blood-pressure/mmhg-bpm", "120"),
    (0.0, "blood-pressure/mmhg-bpm", "[120]"),
    (0.0, "blood-pressure/mmhg-bpm", '{"systolic": null}'),
    (0.0, "blood-pressure/mmhg-bpm", '{"systolic": 1e400}'),
]
HOSTILE_EVENT = """
    INSERT INTO pryv.events (account, id, time, type, trashed, json, generation)
    SELECT id, %s, %s, %s, false, %s, 1 FROM pryv.accounts
"""


def test_statements_of_the_guide_work(fleet: Fleet, new_account: Callable[[], Account]) -> None:
    account = new_account()
    fleet.add(access_to(account))
    weight = {"streamIds": ["diary"], "type": "mass/kg", "content": 61.5}
    pressure = {"type": "blood-pressure/mmhg-bpm", "content": {"systolic": 120, "diastolic": 80, "rate": 60}}
    for event in (weight, {**weight, **pressure}):
        account[2].api_one("events.create", event, "event")
    fleet.sync_due()
    assert len(STATEMENTS) >= 10
    rows: list[tuple[Any, ...]] = []
    with psycopg.connect(fleet._database._dsn, autocommit=True) as connection:
        for number, (time, kind, content) in enumerate(HOSTILE):
            values = (f"hostile-{number}", time, kind, f'{{"content": {content}}}')
            connection.execute(HOSTILE_EVENT, values)
        connection.execute("DROP ROLE IF EXISTS pryv_reader")
        for statement in STATEMENTS:
            cursor = connection.execute(statement)
            rows += cursor.fetchall() if cursor.description else []
        connection.execute("SET ROLE pryv_reader")
        assert connection.execute("SELECT count(*) FROM pryv.events WHERE number = 61.5").fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT secret FROM pryv.accounts")
        connection.execute("RESET ROLE; DROP OWNED BY pryv_reader; DROP ROLE pryv_reader")
    day, adherence, cohort, last, systolic = rows
    assert (day[1], last[1], systolic[1]) == (1, 61.5, 120)
    assert adherence[0] == account[0]
    assert float(adherence[1]) == pytest.approx(1 / 14)
    assert cohort[1:] == (1, None)

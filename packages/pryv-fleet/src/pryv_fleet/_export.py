"""The tables as Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from pryv import MissingAddonError
from pryv.addons import replace_file
from pryv_fleet._database import Connection, Database
from pryv_fleet.reports import ExportReport

if TYPE_CHECKING:
    import pyarrow as pa

_NOW: Final = "SELECT pg_current_snapshot()::text, pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_END: Final = "SELECT pg_snapshot_xmax(%s::text::pg_snapshot)::text::bigint"
_SINCE: Final = """
    WHERE NOT pg_visible_in_snapshot(a.changed, %(since)s::pg_snapshot)
        AND NOT pg_visible_in_snapshot(e.applied, %(since)s::pg_snapshot)
"""
"""A number from a sequence would not do: transactions commit in another order than they take numbers."""
_EVENTS: Final = """
    SELECT a.name, e.id, e.time, e.modified, e.type, e.stream_ids, e.trashed, e.number, e.text,
        coalesce(e.exact, e.json::text)
    FROM {schema}.events e JOIN {schema}.accounts a ON a.id = e.account
"""
_DELETIONS: Final = """
    SELECT a.name, e.id, e.deleted FROM {schema}.deletions e JOIN {schema}.accounts a ON a.id = e.account
"""
_PAGE: Final = 200
"""Rows that are fetched at once: an event may have up to 10 MiB."""
_GROUP: Final = 32 << 20
"""Bytes of a row group, roughly: small ones are slow to read, and a whole one is in memory before it is written."""
_numbers: Final = count()


def export_parquet(database: Database, target: str | os.PathLike[str], since: str | None) -> ExportReport:
    """Write events and deletions, all or those that were applied since an export.

    Raises:
        MissingAddonError: pyarrow is not installed.
        ValueError: `since` is not the snapshot of an export from this database.
        DatabaseError: PostgreSQL cannot be reached.
        OSError: a file cannot be written.
    """
    pq, events_schema, deletions_schema = _arrow()
    directory = Path(target)
    directory.mkdir(parents=True, exist_ok=True)
    with database.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        snapshot, first, last = _snapshot(connection, since)
        counts = []
        for name, template, schema in (("events", _EVENTS, events_schema), ("deletions", _DELETIONS, deletions_schema)):
            query = database.sql(template + (_SINCE if since is not None else ""))
            file = directory / f"{name}-{first:020d}-{last:020d}.parquet"
            counts.append(_write(pq, file, schema, _batches(connection, query, since, schema)))
    return ExportReport(events=counts[0], deletions=counts[1], snapshot=snapshot)


def _arrow() -> tuple[Any, pa.Schema, pa.Schema]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingAddonError('Parquet files need pyarrow: pip install "pryv-fleet[parquet]"') from None
    events = pa.schema(
        [
            ("account", pa.string()),
            ("id", pa.string()),
            ("time", pa.float64()),
            ("modified", pa.float64()),
            ("type", pa.string()),
            ("stream_ids", pa.list_(pa.string())),
            ("trashed", pa.bool_()),
            ("number", pa.float64()),
            ("text", pa.string()),
            ("json", pa.string()),
        ]
    )
    return pq, events, pa.schema([("account", pa.string()), ("id", pa.string()), ("deleted", pa.float64())])


def _snapshot(connection: Connection, since: str | None) -> tuple[str, int, int]:
    """Return the snapshot of a transaction, and the numbers of the transactions that end an earlier one and this one.

    Raises:
        ValueError: `since` is not a snapshot, or later than this one.
    """
    snapshot, last = connection.execute(_NOW).fetchone() or ("", 0)
    if since is None:
        return snapshot, 0, last
    first = last + 1
    with suppress(psycopg.DataError):
        ((first,),) = connection.execute(_END, (since,)).fetchall()
    if first > last:
        raise ValueError("since is the snapshot of an earlier export from this database: make a whole export instead")
    return snapshot, first, last


def _batches(connection: Connection, query: str, since: str | None, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with connection.cursor(f"pryv_export_{next(_numbers)}") as cursor:
        cursor.execute(query, {"since": since} if since is not None else None)
        while rows := cursor.fetchmany(_PAGE):
            columns = zip(zip(*rows, strict=True), schema, strict=True)
            yield pa.record_batch([pa.array(column, field.type) for column, field in columns], schema=schema)


def _write(pq: Any, file: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    """Write batches to a file, which appears when it is complete; return the number of rows."""
    import pyarrow as pa

    total = size = 0
    group: list[pa.RecordBatch] = []
    with (
        replace_file(str(file), private=True) as output,
        pq.ParquetWriter(output, schema, compression="zstd") as writer,
    ):
        for batch in batches:
            group.append(batch)
            total += batch.num_rows
            size += batch.nbytes
            if size >= _GROUP:
                writer.write_table(pa.Table.from_batches(group))
                group, size = [], 0
        if group:
            writer.write_table(pa.Table.from_batches(group))
    return total

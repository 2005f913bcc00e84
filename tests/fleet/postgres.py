"""The PostgreSQL of the tests."""

from psycopg.conninfo import make_conninfo

DSN_VARIABLE = "PRYV_TEST_POSTGRES_DSN"
PROGRAMS_VARIABLE = "PRYV_TEST_POSTGRES_PROGRAMS"
SETTINGS = {"fsync": "off", "full_page_writes": "off"}
"""Tests kill processes, not machines."""


def in_database(dsn: str, name: str) -> str:
    """Return a connection string for another database of a server."""
    return make_conninfo(dsn, dbname=name)

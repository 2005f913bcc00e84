"""The accounts of a fleet: adding, changing and removing them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar, cast

import attrs

from pryv.addons import SecretText
from pryv.utils import extract_token_and_api_endpoint
from pryv_fleet._database import Connection, Database
from pryv_fleet._platforms import keep_platforms, remove_unused_platforms
from pryv_fleet.accounts import STATES, Account, name_of, platform_of
from pryv_fleet.errors import FleetError, RefusedError
from pryv_fleet.mirror import checked_name
from pryv_fleet.secrets import Secrets, TokenCipher

Endpoint: TypeAlias = str | tuple[str, str]
"""An API endpoint, or the name of an account and its API endpoint."""

Progress: TypeAlias = Callable[[int | None, list[Account]], object]
"""Called after each part with the percentage done, `None` if it is unknown, and the accounts so far."""

_T = TypeVar("_T")

_BATCH: Final = 500
_COLUMNS: Final = "a.name, a.endpoint, p.url, a.state, a.error, a.failures, a.due, a.synced, a.scope, a.seconds"
_FROM: Final = "FROM {schema}.accounts a LEFT JOIN {schema}.platforms p ON p.id = a.platform"
_BY_NAME: Final = f"SELECT {_COLUMNS} {_FROM} WHERE a.name = ANY(%s)"
_KNOWN: Final = "SELECT name, endpoint, secret, scope::text, seconds FROM {schema}.accounts WHERE name = ANY(%s)"
_PAGE: Final = f"""
    SELECT a.id, {_COLUMNS} {_FROM} WHERE a.id > %s AND (%s::text IS NULL OR a.state = %s) ORDER BY a.id LIMIT 1000
"""
_ADD: Final = """
    INSERT INTO {schema}.accounts (name, platform, endpoint, secret, scope, seconds, state)
    SELECT o.name, p.id, o.endpoint, o.secret, o.scope, o.seconds, 'active'
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::json[], %s::float8[])
        WITH ORDINALITY AS o (name, platform, endpoint, secret, scope, seconds, number)
    JOIN {schema}.platforms p ON p.url = o.platform ORDER BY o.number
    ON CONFLICT (name) DO NOTHING
"""
_STATE: Final = "SELECT state FROM {schema}.accounts WHERE name = %s"
_WAKE: Final = """
    UPDATE {schema}.accounts SET due = now()
    WHERE name = %s AND (due > now() OR leased_until > now()) RETURNING name
"""
_PAUSE: Final = """
    UPDATE {schema}.accounts SET state = CASE state WHEN 'refused' THEN state ELSE 'paused' END
    WHERE name = %s AND endpoint IS NOT NULL RETURNING name
"""
_RESUME: Final = """
    UPDATE {schema}.accounts a
    SET seconds = coalesce(%s, seconds), state = 'active', due = now(), failures = 0, error = NULL, not_before = NULL,
        leased_until = NULL, leased_by = NULL
    WHERE name = %s AND endpoint IS NOT NULL AND state <> 'refused' RETURNING name
"""
_REPLACE: Final = """
    UPDATE {schema}.accounts a
    SET endpoint = o.endpoint, secret = o.secret, platform = p.id, adopts = true, state = 'active'
    FROM (VALUES (%s, %s, %s)) AS o (platform, endpoint, secret) JOIN {schema}.platforms p ON p.url = o.platform
    WHERE a.name = %s AND a.endpoint IS NOT NULL RETURNING name
"""
_RESCOPE: Final = """
    WITH changed AS (
        UPDATE {schema}.accounts SET scope = %(scope)s::text::json, anchor = NULL, version = version + 1
        WHERE name = %(name)s AND state <> 'refused' AND scope::text IS DISTINCT FROM %(scope)s::text RETURNING id
    )
    UPDATE {schema}.events e SET generation = 0 FROM changed WHERE e.account = changed.id
"""
"""The next pass reads the new scope from the start, and drops the events of generation 0 that it does not find."""
_LOCK: Final = "SELECT id FROM {schema}.accounts WHERE name = %s FOR UPDATE"
_FORGET: Final = """
    INSERT INTO {schema}.forgotten (name_hash, events, deletions)
    SELECT %(hash)s, (SELECT count(*) FROM {schema}.events WHERE account = %(id)s),
        (SELECT count(*) FROM {schema}.deletions WHERE account = %(id)s)
"""
_REMOVE: Final = "DELETE FROM {schema}.accounts WHERE id = %(id)s"
"""By the id, as is the count: both may take long, and PostgreSQL's log of slow statements has their parameters."""
_SECRETS: Final = "SELECT id, secret FROM {schema}.accounts WHERE id > %s AND secret IS NOT NULL ORDER BY id LIMIT 1000"
_ROTATE: Final = """
    UPDATE {schema}.accounts a SET secret = o.secret
    FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS o (id, before, secret)
    WHERE a.id = o.id AND a.secret = o.before
"""


@attrs.frozen
class _NewAccount:
    name: str
    endpoint: str
    token: str = attrs.field(repr=False)

    @classmethod
    def of(cls, given: Endpoint, index: int | None = None) -> _NewAccount:
        """Return the account of an API endpoint.

        Raises:
            TypeError: it is not a text, or a pair of texts.
            ValueError: it is malformed, or has no token. The message does not repeat it.
        """
        where = "" if index is None else f"account {index}: "
        if not isinstance(given, str) and not (isinstance(given, tuple) and len(given) == 2):
            raise TypeError(f"{where}an API endpoint is a text, or a pair of a name and a text")
        name, endpoint = (None, given) if isinstance(given, str) else given
        try:
            token, url = extract_token_and_api_endpoint(endpoint)
            token = masked(token)
            if token is None:
                raise ValueError("an API endpoint of a fleet has a token: https://TOKEN@host/")
            return cls(str(checked_name(name_of(url) if name is None else name)), url, token)
        except ValueError as error:
            message = f"{where}{error}"
        raise ValueError(message)


def _scope_text(scope: Mapping[str, Any] | None) -> str | None:
    return None if scope is None else json.dumps(dict(scope), sort_keys=True)


@attrs.frozen
class Settings:
    """What an account has instead of what the fleet has; `None` for what the fleet has."""

    scope: str | None = attrs.field(default=None, converter=_scope_text)
    interval: float | None = None


class Registry:
    """The accounts, as rows of a table.

    Args:
        database: The database.
        secrets: Where tokens are; `None` for the table.
        cipher: Encrypts tokens of the table, and hashes names.
        defaults: The settings of accounts that are added without.
    """

    def __init__(
        self, database: Database, secrets: Secrets | None, cipher: TokenCipher, defaults: Settings = Settings()
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._cipher = cipher
        self._defaults = defaults

    def add(
        self, endpoints: Iterable[Endpoint], total: int | None, settings: Settings, progress: Progress | None
    ) -> list[Account]:
        """Add accounts, and return them.

        Args:
            endpoints: Their endpoints, masked.
            total: How many there are; `None` if that is unknown.
            settings: What they have of their own.
            progress: Called after each part.

        Raises:
            ValueError: an endpoint is malformed, or another account has the name.
            FleetError: there is no key to encrypt tokens with.
            DatabaseError: PostgreSQL cannot be reached.
        """
        given = (_NewAccount.of(endpoint, index) for index, endpoint in enumerate(endpoints))
        added: list[Account] = []
        while batch := list(islice(given, _BATCH)):
            added += self._add(batch, settings)
            if progress is not None:
                progress(round(100 * len(added) / total) if total else None, added)
        return added

    def find(self, name: str) -> Account:
        """Return an account.

        Raises:
            FleetError: there is none with this name.
        """
        return self._find([checked_name(name)])[name]

    def all(self, state: str | None) -> Iterator[Account]:
        """Yield all accounts, or those in one state, in the order in which they were added.

        Raises:
            ValueError: there is no such state.
        """
        if state is not None and state not in STATES:
            raise ValueError(f"state is one of {', '.join(STATES)}")
        return self._all(state)

    def wake(self, name: str) -> None:
        """Have an account passed as soon as possible.

        Raises:
            FleetError: there is none with this name.
        """
        if not self._database.execute(_WAKE, (checked_name(name),)):
            self.find(name)

    def pause(self, name: str) -> None:
        """Keep an account from being passed.

        Raises:
            FleetError: there is none with this name.
        """
        with self._database.connection() as connection:
            self._change(connection, _PAUSE, name)

    def resume(self, name: str, api_endpoint: str | None, settings: Settings) -> None:
        """Have an account passed again, perhaps with a new token, or with other settings.

        Raises:
            ValueError: the endpoint is malformed.
            FleetError: there is none with this name.
            RefusedError: it is refused, and there is no new token.
        """
        new = None if api_endpoint is None else _NewAccount.of((name, api_endpoint))
        self.find(name)
        secret = None if new is None else self._keep(new)
        with self._database.transaction() as connection:
            if new is not None:
                platform = platform_of(new.endpoint)
                keep_platforms(self._database, connection, {platform})
                self._change(connection, _REPLACE, platform, new.endpoint, secret, name)
            self._change(connection, _RESUME, settings.interval, name)
            if settings.scope is not None:
                connection.execute(self._database.sql(_RESCOPE), {"scope": settings.scope, "name": name})

    def forget(self, name: str) -> None:
        """Remove an account with all its data and its token.

        Raises:
            FleetError: there is none with this name.
            Exception: the store of tokens raised it; nothing is removed from the tables.
        """
        self.find(name)
        if self._secrets is not None:
            self._secrets.delete(name)
        with self._database.transaction() as connection:
            row = connection.execute(self._database.sql(_LOCK), (name,)).fetchone()
            if row is not None:  # otherwise, another process was faster
                values = {"id": row[0], "hash": self._cipher.hash_of(name)}
                connection.execute(self._database.sql(_FORGET), values)
                connection.execute(self._database.sql(_REMOVE), values)
        remove_unused_platforms(self._database)

    def rotate_secrets(self) -> int:
        """Encrypt all tokens with the first key; return how many there are.

        Raises:
            FleetError: a token was encrypted with a key that is not among the keys. Others may have been encrypted.
        """
        last, count = 0, 0
        while rows := self._database.execute(_SECRETS, (last,)):
            last, count = rows[-1][0], count + len(rows)
            before = [secret for _, secret in rows]
            after = [self._cipher.rotate(secret) for secret in before]
            self._database.execute(_ROTATE, ([key for key, _ in rows], before, after))
        return count

    def _add(self, batch: Sequence[_NewAccount], settings: Settings) -> list[Account]:
        names = [new.name for new in batch]
        known = {row[0]: row[1:] for row in self._database.execute(_KNOWN, (names,))}
        fresh: dict[str, _NewAccount] = {}
        for new in batch:
            if new.name in known:
                self._check_same(new, settings, *known[new.name])
            elif fresh.setdefault(new.name, new) != new:
                raise ValueError(f"two accounts have the name {new.name}")
        if fresh and self._insert(list(fresh.values()), settings) < len(fresh):
            return self._add(batch, settings)  # another process has added some of them meanwhile
        found = self._find(names)
        return [found[name] for name in names]

    def _insert(self, accounts: Sequence[_NewAccount], settings: Settings) -> int:
        """Insert accounts whose names are free, and return how many these are."""
        platforms = [platform_of(new.endpoint) for new in accounts]
        columns = (
            [new.name for new in accounts],
            platforms,
            [new.endpoint for new in accounts],
            [self._keep(new) for new in accounts],
            [settings.scope or self._defaults.scope] * len(accounts),
            [settings.interval] * len(accounts),
        )
        with self._database.transaction() as connection:
            keep_platforms(self._database, connection, set(platforms))
            return connection.execute(self._database.sql(_ADD), columns).rowcount

    def _keep(self, new: _NewAccount) -> str | None:
        """Keep a token; return what the table has of it."""
        if self._secrets is None:
            return self._cipher.encrypt(new.token)
        self._secrets.save(new.name, new.token)
        return None

    def _check_same(
        self,
        new: _NewAccount,
        settings: Settings,
        endpoint: str | None,
        secret: str | None,
        scope: str | None,
        interval: float | None,
    ) -> None:
        """Check that an account that is added again has the endpoint and token that it has, and the given settings.

        Raises:
            ValueError: it has not.
        """
        if endpoint != new.endpoint:
            raise ValueError(f"another account has the name {new.name}: give this one another name")
        token = masked(self._cipher.decrypt(secret or "") if self._secrets is None else self._secrets.load(new.name))
        for what, is_other in (
            ("token", token != new.token),
            ("scope", settings.scope not in (None, scope)),
            ("interval", settings.interval not in (None, interval)),
        ):
            if is_other:
                raise ValueError(f"{new.name} is in the fleet with another {what}: resume it with the new one")

    def _find(self, names: list[str]) -> dict[str, Account]:
        found = {row[0]: Account(*row) for row in self._database.execute(_BY_NAME, (names,))}
        missing = [name for name in names if name not in found]
        if missing:
            raise _unknown(missing[0])
        return found

    def _all(self, state: str | None) -> Iterator[Account]:
        last = 0
        while rows := self._database.execute(_PAGE, (last, state, state)):
            last = rows[-1][0]
            yield from (Account(*row) for _, *row in rows)

    def _change(self, connection: Connection, template: str, *values: Any) -> None:
        """Change the row of an account, whose name is the last value.

        Raises:
            FleetError: there is none, or it is the mirror of a single monitor.
            RefusedError: it is refused, and stays so.
        """
        name = checked_name(values[-1])
        if connection.execute(self._database.sql(template), values).rowcount:
            return
        row = connection.execute(self._database.sql(_STATE), (name,)).fetchone()
        if row is None:
            raise _unknown(name)
        if row[0] == "refused":
            raise RefusedError(f"the platform refuses the token of {name}: resume it with a new one")
        raise FleetError(f"{name} is the mirror of a single monitor, which no fleet passes")


def masked(value: _T) -> _T:
    """Return an API endpoint, or a pair with one, whose `repr` has no token: tracebacks may have local variables."""
    if isinstance(value, str):
        return cast(_T, SecretText(value))
    return cast(_T, tuple(map(masked, value))) if isinstance(value, (tuple, list)) else value


def _unknown(name: str) -> FleetError:
    return FleetError(f"the fleet has no account named {name}")

"""Keys of the API: made, rotated, revoked, listed; and those that are valid, kept in memory.

The service checks a key by its hash, and a header that it has seen by itself: keys have 244 random bits, so that a
plain hash suffices and nobody guesses a header.
"""

import base64
import binascii
import hmac
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

import psycopg

from app.db.pool import Connection, Database
from app.db.queries import query
from app.errors import InvalidParameter, KeyMissing, UnknownKey
from app.registry.assignments import Author
from app.wire.keys import AccessKey, AccessKeys, MadeKey, NewKey, Scope

logger = logging.getLogger("energy.keys")

KEYS_PERIOD_S = 1.0
"""Time after which a key that was made or revoked is noticed."""
MAX_HEADERS_REMEMBERED = 50_000
"""`Authorization` headers per worker that are known without hashing them again; about 400 bytes each."""
_FIELDS = {"device_ids": "deviceIds", "id_prefixes": "idPrefixes", "expires_at": "expiresAt"}
_T = TypeVar("_T")


class Key:
    """A valid key: its id, its scope, and the devices that it speaks for."""

    __slots__ = ("_ids", "_prefixes", "expires_at", "key_id", "scope", "secret_sha256")

    def __init__(self, row: Any) -> None:
        self.key_id: str = row.key_id
        self.scope: Scope = row.scope
        self.secret_sha256: bytes = bytes(row.secret_sha256)
        self.expires_at: datetime | None = row.expires_at
        self._ids = None if row.device_ids is None else frozenset(row.device_ids)
        self._prefixes = None if row.id_prefixes is None else tuple(row.id_prefixes)

    @property
    def is_bound(self) -> bool:
        """Whether it speaks for some devices only."""
        return self._ids is not None or self._prefixes is not None

    def speaks_for(self, device_id: str) -> bool:
        """Whether a device is one of its own."""
        if self._ids is not None:
            return device_id in self._ids
        return self._prefixes is None or device_id.startswith(self._prefixes)


class Keyring:
    """The valid keys of a database, followed; those it knows serve while the database is away."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._seen: dict[bytes, Key] = {}
        self._used: set[str] = set()
        self._changed_at: datetime | None = None

    async def follow(self, database: Database) -> None:
        """Read the keys where they changed; note which were used. Raises :class:`DatabaseLost`."""

        async def work(connection: Connection) -> None:
            [change] = await (await connection.execute(query("keys_changed"))).fetchall()
            if change.changed_at != self._changed_at:
                rows = await (await connection.execute(query("valid_keys"))).fetchall()
                self._keys = {row.key_id: Key(row) for row in rows}
                self._seen = {}
                self._changed_at = change.changed_at
            if used := sorted(self._used):
                await connection.execute(query("note_keys_used"), {"key_ids": used})
                self._used.difference_update(used)

        await database.write(work)

    def key(self, authorization: bytes | None) -> Key:
        """The key of a request. Raises :class:`KeyMissing` where it has none that is valid."""
        found = self._seen.get(authorization) if authorization is not None else None
        if found is None:
            found = self._looked_up(authorization)
        if found.expires_at is not None and found.expires_at <= datetime.now(UTC):
            raise KeyMissing(f"the key ev_{found.key_id}_ has expired")
        self._used.add(found.key_id)
        return found

    def _looked_up(self, authorization: bytes | None) -> Key:
        if authorization is None:
            raise KeyMissing("send a key: Authorization: Bearer ev_1a2b3c4d_..., or as the password of Basic")
        given = _given(authorization)
        parts = given.split(b"_")
        key = self._keys.get(parts[1].decode("ascii", "replace")) if len(parts) == 3 else None
        if key is None or not hmac.compare_digest(sha256(given).digest(), key.secret_sha256):
            raise KeyMissing("the key is not valid: it was never made, or it was revoked or has expired")
        if len(self._seen) >= MAX_HEADERS_REMEMBERED:
            self._seen.clear()
        self._seen[authorization] = key
        return key


def _given(authorization: bytes) -> bytes:
    """The key that a header holds: after Bearer, or as the password of Basic; empty without any."""
    kind, _, rest = authorization.partition(b" ")
    if kind.lower() == b"bearer":
        return rest.strip()
    if kind.lower() == b"basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""


async def make(database: Database, wanted: NewKey, author: Author) -> MadeKey:
    """Make a key. Raises :class:`InvalidParameter`, :class:`DatabaseLost`."""
    asked = {
        "name": wanted.name,
        "scope": wanted.scope,
        "device_ids": wanted.deviceIds,
        "id_prefixes": wanted.idPrefixes,
        "expires_at": wanted.expiresAt,
        "operator": author.operator,
    }
    return await _changing(database, lambda connection: _made(connection, "add_key", asked))


async def rotate(database: Database, key_id: str, author: Author) -> MadeKey:
    """Make a key like another one, which stays valid for a day. Raises :class:`UnknownKey`, :class:`DatabaseLost`."""
    asked = {"key_id": key_id, "operator": author.operator}
    return await _changing(database, lambda connection: _made(connection, "rotate_key", asked))


async def revoke(database: Database, key_id: str, author: Author) -> AccessKey:
    """Make a key invalid for good. Raises :class:`UnknownKey`, :class:`DatabaseLost`."""

    async def work(connection: Connection) -> AccessKey:
        asked = {"key_id": key_id, "operator": author.operator}
        await connection.execute(query("revoke_key"), asked)
        return await _key(connection, key_id)

    return await _changing(database, work)


async def keys(database: Database) -> AccessKeys:
    """All keys, revoked ones too, in the order they were made. Raises :class:`DatabaseLost`."""
    return AccessKeys([_listed(row) for row in await database.fetch_all("keys")])


async def _made(connection: Connection, name: str, asked: dict[str, Any]) -> MadeKey:
    change = query("add_key") if name == "add_key" else query("rotate_key")
    [row] = await (await connection.execute(change, asked)).fetchall()
    return MadeKey(row.key, await _key(connection, row.key.split("_")[1]))


async def _key(connection: Connection, key_id: str) -> AccessKey:
    [row] = await (await connection.execute(query("key"), {"key_id": key_id})).fetchall()
    return _listed(row)


async def _changing(database: Database, work: Callable[[Connection], Awaitable[_T]]) -> _T:
    try:
        return await database.write(work)
    except psycopg.errors.InvalidParameterValue as error:
        column = error.diag.column_name or "name"
        field = _FIELDS.get(column, column)
        raise InvalidParameter((error.diag.message_primary or "").replace(column, field), {"field": field}) from None
    except psycopg.errors.NoDataFound as error:
        raise UnknownKey(error.diag.message_primary or str(error), {"field": "id"}) from None


def _listed(row: Any) -> AccessKey:
    return AccessKey(
        id=row.key_id,
        name=row.name,
        scope=row.scope,
        deviceIds=row.device_ids,
        idPrefixes=row.id_prefixes,
        createdAt=row.created_at,
        createdBy=row.created_by,
        expiresAt=row.expires_at,
        revokedAt=row.revoked_at,
        revokedBy=row.revoked_by,
        lastUsedAt=row.last_used_at,
    )

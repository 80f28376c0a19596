"""Keys of the API."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.wire.values import DeviceId, Instant, Label

Scope = Literal["device", "gateway", "reader", "operator", "admin"]
KeyId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}$(?!\n)", description="8 hex digits", examples=["1a2b3c4d"])]


class NewKey(Struct, forbid_unknown_fields=True):
    """A key to be made: `device` for the devices in `deviceIds`, `gateway` for those that begin with one of
    `idPrefixes` or for any, `reader`, `operator` or `admin`."""

    name: Label
    scope: Scope
    deviceIds: Annotated[list[DeviceId], Meta(max_length=1000)] | None = None
    idPrefixes: Annotated[list[DeviceId], Meta(max_length=100)] | None = None
    expiresAt: Instant | None = None


class AccessKey(Struct):
    """A key, without what it is checked by."""

    id: KeyId
    name: str
    scope: Scope
    deviceIds: list[str] | None
    idPrefixes: list[str] | None
    createdAt: Instant
    createdBy: str | None
    expiresAt: Instant | None
    revokedAt: Instant | None
    revokedBy: str | None
    lastUsedAt: Instant | None


class MadeKey(Struct):
    """A key that was made: `key` is answered this once, and kept nowhere."""

    key: str
    made: AccessKey


class AccessKeys(Struct):
    """All keys, revoked ones too, in the order they were made."""

    keys: list[AccessKey]

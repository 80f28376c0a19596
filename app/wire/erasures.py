"""Erasures of devices."""

from msgspec import Struct

from app.wire.values import Count, DeviceId, Instant, RowId


class NewErasure(Struct, forbid_unknown_fields=True):
    """The meter or vehicle to be erased."""

    meterId: DeviceId | None = None
    vehicleId: DeviceId | None = None


class ErasedRows(Struct):
    """How many rows went from a relation of the database."""

    relation: str
    rows: Count


class Erased(Struct):
    """What an erasure took away, or, of a preview, would."""

    erased: list[ErasedRows]


class Erasure(Struct):
    """That a meter or vehicle was erased, when and by whom; not which."""

    id: RowId
    deviceType: str
    erasedAt: Instant
    databaseRole: str
    operator: str | None


class Erasures(Struct):
    """A page of erasures, newest first; `next` is what to pass as `after`, null on the last page."""

    erasures: list[Erasure]
    next: int | None

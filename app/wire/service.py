"""The state of the service, and problems."""

from msgspec import UNSET, Struct, UnsetType

from app.wire.assignments import ItemResult, Overlap
from app.wire.readings import ReadingError
from app.wire.values import Count


class Status(Struct):
    """The state of the service, in a word."""

    status: str


class Problem(Struct):
    """RFC 9457 problem document; `code` is stable, `detail` is for a person.

    Where it is about one field, `field` names it. A request with readings, assignments or events of which none is
    stored has the members of its answer besides.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | UnsetType | None = UNSET
    accepted: Count | UnsetType = UNSET
    duplicates: Count | UnsetType = UNSET
    conflicts: Count | list[Overlap] | UnsetType = UNSET
    rejected: Count | UnsetType = UNSET
    errors: list[ReadingError] | UnsetType = UNSET
    kept: Count | UnsetType = UNSET
    unchanged: Count | UnsetType = UNSET
    refused: Count | UnsetType = UNSET
    results: list[ItemResult] | UnsetType = UNSET

"""What can go wrong, each with its code.

Two families. A :class:`ProblemError` is an answer to an HTTP request (RFC 9457); its class gives the status, the
stable `code` and the title. An :class:`OperatorError` ends a command: its message says what to do, the command line
prints it without a traceback and exits with :attr:`OperatorError.exit_status`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class EnergyError(Exception):
    """Base of every error this service raises on purpose."""


class OperatorError(EnergyError):
    """The person at the command line has to do something; the message says what."""

    exit_status: ClassVar[int] = 1


class ConfigurationError(OperatorError):
    """A setting has a value that is not allowed."""

    exit_status = 2


class DatabaseUnavailable(OperatorError):
    """The database cannot be reached."""


class DatabaseBusy(OperatorError):
    """Other sessions hold locks that a migration needs; nothing was changed."""


class RoleLacksRight(OperatorError):
    """A role lacks a right in the database that its task needs."""


class SchemaMismatch(OperatorError):
    """The database's schema is not the one this release works with."""


class SchemaMissing(SchemaMismatch):
    """The database was never migrated."""


class ProfileMismatch(OperatorError):
    """The configured storage profile is not that of the database, or its server does not support it."""


class EmbeddedServerError(OperatorError):
    """The embedded PostgreSQL could not be set up, started or stopped."""


class DataDirectoryInUse(EmbeddedServerError):
    """Another process has started the embedded PostgreSQL of this data directory."""


class CopyFailed(OperatorError):
    """A database could not be copied into another, or compared with it."""


class ImportFileError(OperatorError):
    """A file to import cannot be read, or has an unknown format."""


class ImportOptionError(ImportFileError):
    """An option of the import is wrong, by itself or for this file."""

    exit_status = 2


class CorrectionRefused(OperatorError):
    """A correction or an erasure is not allowed as it is asked for; nothing was changed."""

    exit_status = 2


class KeyRefused(OperatorError):
    """A key cannot be made, rotated or revoked as it is asked for; nothing was changed."""

    exit_status = 2


class PolicyFileError(OperatorError):
    """A file of policies cannot be read, or has an unknown setting."""

    exit_status = 2


class PoliciesRefused(OperatorError):
    """A guardrail refuses a change of policies; nothing was changed."""


class ProblemError(EnergyError):
    """An HTTP answer other than success: `application/problem+json` with a stable code.

    `detail` is a sentence for a person; `extra` are further members of the problem document; `device_id` is for the
    log; `retry_after_s` becomes the Retry-After header.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    retry_after_s: ClassVar[int | None] = None

    def __init__(self, detail: str, extra: Mapping[str, Any] | None = None, *, device_id: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra: Mapping[str, Any] = extra or {}
        self.device_id = device_id


class MalformedBody(ProblemError):
    """The body is not valid JSON or gzip."""

    status, code, title = 400, "malformed_body", "The body cannot be read"


class MalformedItem(ProblemError):
    """One of several items or lines is not JSON; the others are read."""

    status, code, title = 400, "malformed_item", "An item cannot be read"


class KeyMissing(ProblemError):
    """The request has no key that is valid."""

    status, code, title = 401, "key_missing", "A key is needed"


class NotAllowed(ProblemError):
    """The key of the request does not reach so far."""

    status, code, title = 403, "not_allowed", "The key does not allow this"


class HostNotAllowed(ProblemError):
    """The Host of the request is not a name of this service."""

    status, code, title = 400, "host_not_allowed", "The host is not a name of this service"


class CrossOriginWrite(ProblemError):
    """A browser sends the write for a page of another origin."""

    status, code, title = 403, "cross_origin_write", "A page of another origin must not write"


class UnknownRoute(ProblemError):
    """There is no such path."""

    status, code, title = 404, "unknown_route", "There is no such path"


class UnknownVehicle(ProblemError):
    """The vehicle has no reading and no assignment, and is not registered."""

    status, code, title = 404, "unknown_vehicle", "The vehicle is not known"


class UnknownMeter(ProblemError):
    """The meter has no reading and no assignment, and is not registered."""

    status, code, title = 404, "unknown_meter", "The meter is not known"


class UnknownAssignment(ProblemError):
    """There is no assignment of this id."""

    status, code, title = 404, "unknown_assignment", "There is no such assignment"


class UnknownSession(ProblemError):
    """There is no session of this id."""

    status, code, title = 404, "unknown_session", "There is no such session"


class UnknownDecision(ProblemError):
    """Nothing was decided about this instant of the device."""

    status, code, title = 404, "unknown_decision", "Nothing was decided about this"


class UnknownKey(ProblemError):
    """There is no valid key of this id."""

    status, code, title = 404, "unknown_key", "There is no such key"


class UnknownCorrection(ProblemError):
    """There is no correction of this number."""

    status, code, title = 404, "unknown_correction", "There is no such correction"


class NothingPluggedIn(ProblemError):
    """A plugOut names a meter that fed no vehicle at that time, or another one."""

    status, code, title = 404, "nothing_plugged_in", "Nothing was plugged in"


class MethodNotAllowed(ProblemError):
    """The path exists, but not with this method."""

    status, code, title = 405, "method_not_allowed", "The path does not support this method"


class AssignmentOverlap(ProblemError):
    """A meter feeds one vehicle at a time, a vehicle draws from one meter at a time."""

    status, code, title = 409, "assignment_overlap", "The assignment overlaps another"


class TakesTooLong(ProblemError):
    """A change that would take longer than a request may (`ENERGY_WRITE_TIMEOUT_S`); nothing was changed."""

    status, code, title = 422, "takes_too_long", "The change takes too long for a request"


class CorrectionConflict(ProblemError):
    """A correction is undone already, or its readings have changed since."""

    status, code, title = 409, "correction_conflict", "The correction cannot be undone now"


class StrictConflict(ProblemError):
    """A strict request has a reading that contradicts a stored one."""

    status, code, title = 409, "conflict", "A reading contradicts a stored one"


class BodyTooLarge(ProblemError):
    """The body, decompressed, is larger than the limit."""

    status, code, title = 413, "body_too_large", "The body is too large"


class TooManyReadings(ProblemError):
    """The request holds more readings than the limit."""

    status, code, title = 413, "too_many_readings", "Too many readings in one request"


class UnsupportedMediaType(ProblemError):
    """The content type or content encoding is not supported."""

    status, code, title = 415, "unsupported_media_type", "The content type or encoding is not supported"


class InvalidParameter(ProblemError):
    """A path, query or body parameter is unknown, missing, or has a value that is not allowed."""

    status, code, title = 422, "invalid_parameter", "A parameter is not allowed"


class NoReadingAccepted(ProblemError):
    """Every reading of the request was rejected, or there was none."""

    status, code, title = 422, "no_reading_accepted", "No reading was accepted"


class NoItemAccepted(ProblemError):
    """Every assignment or event of the request was rejected."""

    status, code, title = 422, "no_item_accepted", "No item was accepted"


class StrictRejected(ProblemError):
    """A strict request has a rejected reading, so none is stored."""

    status, code, title = 422, "strict_rejected", "A strict request was rejected as a whole"


class RefusedByDatabase(ProblemError):
    """A constraint of the database rejects values that the service accepted.

    What else of the request was stored is a duplicate when it is repeated.
    """

    status, code, title = 422, "refused_by_database", "The database rejected the request"


class Overloaded(ProblemError):
    """More readings wait to be written than the limit."""

    status, code, title, retry_after_s = 503, "overloaded", "Too many readings are waiting", 1


class DatabaseLost(ProblemError):
    """The database does not answer; nothing of the request was acknowledged, and it may be repeated."""

    status, code, title, retry_after_s = 503, "database_unavailable", "The database does not answer", 2


class NotComputedYet(ProblemError):
    """What is asked for is computed in the background, and was not yet."""

    status, code, title, retry_after_s = 503, "not_computed_yet", "This is not computed yet", 5


class RightMissing(ProblemError):
    """A role of the service lacks a right in the database; once it has the right, the request may be repeated."""

    status, code, title, retry_after_s = 503, "right_missing", "The service lacks a right in the database", 60


class ClocksDiffer(ProblemError):
    """The clock of this machine and the database's are further apart than a reading may lie in the future."""

    status, code, title, retry_after_s = 503, "clocks_differ", "The clocks of service and database differ", 60


class ShuttingDown(ProblemError):
    """The service is stopping."""

    status, code, title, retry_after_s = 503, "shutting_down", "The service is stopping", 2

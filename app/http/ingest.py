"""`POST /v1/ingest`, straight on ASGI: decode, write, encode.

Every reading passes here, and for a single one the routing and the request object that serve the other paths cost more
than decoding it does. A request of the plain form (JSON that is not compressed, no parameters, whole in one message) is
taken as it comes; any other is read as every other path reads it.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from app import metrics
from app.errors import NoReadingAccepted, ProblemError, StrictRejected
from app.http import bodies, parameters, rejections
from app.http.openapi import query_parameters
from app.http.problems import Problem, on_disconnect, on_unforeseen
from app.http.service import Service
from app.ingest.decode import Batch, conflict
from app.ingest.writer import Written
from app.registry.keys import Key
from app.wire.readings import IngestResult, ReadingError
from app.words import counted

PATH = "/v1/ingest"
PARAMETERS = query_parameters("POST", PATH)

_encoder = msgspec.json.Encoder()
_CONTENT_TYPE = (b"content-type", bodies.JSON.encode())
# A client that waits for 100 Continue is rejected before that, by the length of the body.
_NOT_PLAIN = frozenset({b"content-encoding", b"expect"})


class Ingest:
    """The endpoint; an instance of a class, which a router calls as an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep readings; answered after the commit that holds them, never before."""
        try:
            content = _encoder.encode(await _ingest(scope, receive))
        except ProblemError as error:
            await Problem(error)(scope, receive, send)
        except ClientDisconnect as error:
            await (await on_disconnect(Request(scope), error))(scope, receive, send)
        except Exception as error:
            await (await on_unforeseen(Request(scope), error))(scope, receive, send)
        else:
            headers = [_CONTENT_TYPE, (b"content-length", b"%d" % len(content))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": content})


ingest = Ingest()


async def _ingest(scope: Scope, receive: Receive) -> IngestResult:
    service: Service = scope["app"].state.service
    service.decoder.check_clock()
    max_bytes = service.settings.max_body_bytes
    held: bodies.BytesHeld = scope["app"].state.bytes_held
    strict = False
    if _is_plain(scope):
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            if len(message["body"]) > max_bytes:
                raise bodies.too_large(max_bytes)
            batch = service.decoder.decode_json(message["body"])
        else:
            request = Request(scope, _after(message, receive))
            batch = service.decoder.decode_json(await bodies.body(request, max_bytes, held))
    else:
        request = Request(scope, receive)
        parameters.check_parameters(request, PARAMETERS)
        strict = parameters.flag(request, "strict") or False
        media_type = bodies.media_type(request, bodies.MEDIA_TYPES)
        body = await bodies.body(request, max_bytes, held)
        decoder = service.decoder
        batch = decoder.decode_lines(body) if media_type == bodies.NDJSON else decoder.decode_json(body)
    key: Key | None = scope.get("key")
    if key is not None and key.is_bound:
        batch.keep_only(key.speaks_for)
    return await _kept(service, batch, strict)


def _is_plain(scope: Scope) -> bool:
    if scope["query_string"]:
        return False
    for name, value in scope["headers"]:
        if name in _NOT_PLAIN or (name == b"content-type" and value != b"application/json"):
            return False
    return True


def _after(first: Message, receive: Receive) -> Receive:
    """Receives a message that was taken already, then those that follow."""
    taken = [first]

    async def receive_again() -> Message:
        return taken.pop() if taken else await receive()

    return receive_again


async def _kept(service: Service, batch: Batch, strict: bool) -> IngestResult:
    max_errors = service.settings.max_errors_listed
    device_id = None
    if batch.errors:
        rejections.note_readings(Counter(error.code for error in batch.errors), batch.examples)
        device_id, _ = batch.examples[batch.errors[0].code]
    if batch.errors and strict:
        result = _result(batch, Written(), max_errors, kept=False)
        rejected = counted(len(batch.errors), "reading")
        detail = f"{rejected} rejected, so none is stored; send the request without strict to store the others"
        raise StrictRejected(detail, msgspec.structs.asdict(result), device_id=device_id)
    result = _result(batch, await service.writer.write(batch, strict=strict), max_errors)
    if not len(batch):
        detail = "every reading is rejected; the errors say why"
        raise NoReadingAccepted(detail, msgspec.structs.asdict(result), device_id=device_id)
    return result


def _result(batch: Batch, written: Written, max_errors: int, *, kept: bool = True) -> IngestResult:
    duplicates, conflicts = len(written.duplicates), len(written.conflicts)
    accepted = len(batch) - duplicates - conflicts if kept else 0
    metrics.count_readings(accepted=accepted, duplicate=duplicates, conflict=conflicts, rejected=len(batch.errors))
    errors: Sequence[ReadingError] = batch.errors
    if conflicts:
        errors = sorted([*errors, *map(conflict, written.conflicts)], key=lambda error: error.index)
    return IngestResult(accepted, duplicates, conflicts, len(batch.errors), list(errors[:max_errors]))

"""The application and its lifespan: what is opened at the start, what is finished before the end."""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from prometheus_client import Histogram
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.analytics import reports
from app.config import Settings
from app.db.pool import Database, call
from app.errors import BodyTooLarge, ClocksDiffer, EnergyError, ProblemError, ShuttingDown
from app.http import access
from app.http.admission import Admission
from app.http.bodies import BytesHeld
from app.http.ingest import PATH as INGEST_PATH
from app.http.ingest import ingest
from app.http.problems import EXCEPTION_HANDLERS, Problem
from app.http.routes import ALL_ROUTES
from app.http.service import Service
from app.ingest.decode import UNKNOWN_HORIZON, ReadingDecoder
from app.ingest.writer import Writer, horizon
from app.registry import backlog
from app.registry.keys import KEYS_PERIOD_S, Keyring

logger = logging.getLogger("energy.service")

HORIZON_PERIOD_S = 60.0
"""Time after which a change of the history's `drop_after` takes effect on ingest."""
HORIZON_RETRY_S = 1.0
"""Pause before `drop_after` is queried again after a failure."""
UPKEEP_PERIOD_S = 3600.0
"""Time between two calls of `api.upkeep()`."""
REPORT_RETRY_S = 3600.0
"""Pause before figures and findings of the database are computed again after a failure."""
REPORT_WAIT_S = 30.0
"""Longest time for which the first report waits for the first upkeep."""
BACKLOG_PERIOD_S = 60.0
"""Time between two looks at the registers that wait to be judged anew."""
LEAST_COMPRESSED_BYTES = 1000
"""Size from which an answer is compressed for clients that take gzip."""
# Beyond this, a list takes longer and gets hardly shorter.
_COMPRESSION_LEVEL = 3
# A page of another origin sees these only where they are named.
_READABLE_HEADERS = ("Content-Disposition", "ETag", "Link", "Retry-After")
# What is read of a body that was refused before it was read whole, and thrown away. A connection that is closed while
# its client still sends is reset, and the client may never see why it was refused.
MAX_BYTES_DISCARDED = 32 * 1024 * 1024
"""Bytes of a rejected body that are read and discarded before the connection is closed."""
DISCARD_TIMEOUT_S = 30.0
"""Longest time for discarding them."""


def create_app(url: str, settings: Settings, *, wait_for_database: bool = True) -> ASGIApp:
    """The ASGI application on the migrated database at `url`.

    Its start fails with :class:`DatabaseUnavailable` where the database does not answer; where it is not to wait for
    that, requests are answered with 503 until the database is there.
    """

    keyring = Keyring() if settings.needs_keys else None

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        database = Database(url, settings)
        await database.open(wait=wait_for_database)
        writer = Writer(database, settings)
        if wait_for_database and keyring is not None:
            await keyring.follow(database)
        chores: list[asyncio.Task[None]] = []
        try:
            decoder = ReadingDecoder(settings, await horizon(database) if wait_for_database else UNKNOWN_HORIZON)
            writer.start()
            app.state.service = Service(settings, database, decoder, writer)
            app.state.bytes_held = BytesHeld(settings.max_body_bytes_held)
            # What was imported stays; the collector need not look at it again and again while readings wait.
            gc.collect()
            gc.freeze()
            chores.append(asyncio.create_task(_follow_horizon(database, decoder)))
            if keyring is not None:
                chores.append(asyncio.create_task(_follow_keys(database, keyring)))
            kept_up = asyncio.Event()
            chores.append(asyncio.create_task(_keep_up(url, settings, kept_up)))
            chores.append(asyncio.create_task(_judge_backlog(url, database, settings)))
            chores.append(asyncio.create_task(_report(url, settings, kept_up)))
            yield
        finally:
            # The writer first, so that what was accepted is committed even if the rest fails.
            try:
                await writer.close()
            finally:
                for chore in chores:
                    chore.cancel()
                await asyncio.gather(*chores, return_exceptions=True)
                await database.close()

    app = Starlette(
        routes=ALL_ROUTES,
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
        middleware=_middleware(settings),
    )
    app.router.redirect_slashes = False
    # Around the whole application: its own middleware would not see the answer to an unexpected error.
    return _Entrance(app, Admission(settings), keyring)


def _middleware(settings: Settings) -> list[Middleware]:
    """What answers pass on their way out; readings take a short cut past it."""
    compressing = Middleware(GZipMiddleware, minimum_size=LEAST_COMPRESSED_BYTES, compresslevel=_COMPRESSION_LEVEL)
    if not settings.read_origins:
        return [compressing]
    letting_read = Middleware(
        CORSMiddleware, allow_origins=settings.read_origins, allow_methods=["GET"], expose_headers=_READABLE_HEADERS
    )
    return [letting_read, compressing]


async def _follow_horizon(database: Database, decoder: ReadingDecoder) -> None:
    pause_s = 0.0
    while True:
        await asyncio.sleep(pause_s)
        try:
            decoder.horizon = await horizon(database)
            pause_s = HORIZON_PERIOD_S
            decoder.check_clock()
        except ClocksDiffer as error:
            logger.warning("readings are answered with 503: %s", error)
        except (EnergyError, psycopg.Error) as error:
            logger.warning("the horizon of the history could not be read: %s", error)
            pause_s = HORIZON_RETRY_S


async def _follow_keys(database: Database, keyring: Keyring) -> None:
    is_lost = False
    while True:
        try:
            await keyring.follow(database)
            is_lost = False
        except (EnergyError, psycopg.Error) as error:
            # Once, not each second.
            if not is_lost:
                logger.warning("keys could not be read; those that are known serve on: %s", error)
            is_lost = True
        await asyncio.sleep(KEYS_PERIOD_S)


async def _keep_up(url: str, settings: Settings, kept_up: asyncio.Event) -> None:
    while True:
        try:
            await call(url, settings, "upkeep")
        except (psycopg.Error, OSError) as error:
            logger.warning("upkeep failed and is tried again in an hour: %s", error)
        kept_up.set()
        await asyncio.sleep(UPKEEP_PERIOD_S)


async def _report(url: str, settings: Settings, kept_up: asyncio.Event) -> None:
    # Otherwise the first findings would be about upkeep that is under way.
    with suppress(TimeoutError):
        async with asyncio.timeout(REPORT_WAIT_S):
            await kept_up.wait()
    while True:
        try:
            await reports.compute(url, settings)
            pause_s = reports.REPORT_PERIOD_S
        except (psycopg.Error, OSError) as error:
            logger.warning("figures of the database could not be computed and are tried again in an hour: %s", error)
            pause_s = REPORT_RETRY_S
        await asyncio.sleep(pause_s)


async def _judge_backlog(url: str, database: Database, settings: Settings) -> None:
    while True:
        try:
            if waiting := await backlog.registers_waiting(database):
                logger.info("registers that wait to be judged anew: %d", waiting)
                await backlog.judge(url, settings)
        except (EnergyError, psycopg.Error, OSError) as error:
            logger.warning("judging registers anew failed and is tried again in a minute: %s", error)
        await asyncio.sleep(BACKLOG_PERIOD_S)


async def _discard(receive: Receive) -> None:
    """Reads what is left of a body, within the limits, until it ends or its client goes away."""
    left = MAX_BYTES_DISCARDED
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_TIMEOUT_S):
            while left > 0 and (message := await receive()).get("more_body"):
                left -= len(message["body"])


class _Entrance:
    """Lets requests in or refuses them, counts and times answers by route and status, lets a body that is refused come
    to its end, and answers those that are cut off when the service stops. Readings take a short cut past the router."""

    def __init__(self, app: Starlette, admission: Admission, keyring: Keyring | None) -> None:
        self._app = app
        self._admission = admission
        self._keyring = keyring
        self._seconds: dict[tuple[str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        is_begun = is_refused = has_ended = False

        async def take() -> Message:
            nonlocal has_ended
            message = await receive()
            has_ended = not message.get("more_body")
            return message

        async def give(message: Message) -> None:
            nonlocal is_begun, is_refused
            if message["type"] == "http.response.start":
                is_begun = True
                self._observe(scope, message["status"], time.perf_counter() - began)
                is_refused = message["status"] >= 400
                if message["status"] == BodyTooLarge.status and not has_ended:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            elif is_refused and not has_ended and not message.get("more_body"):
                await send({**message, "more_body": True})
                await _discard(take)
                message = {"type": "http.response.body"}
            await send(message)

        try:
            self._admission.check(scope)
            if self._keyring is not None:
                access.check(self._keyring, scope)
            if scope["path"] == INGEST_PATH and scope["method"] == "POST":
                scope["app"], scope["endpoint"] = self._app, ingest
                await ingest(scope, take, give)
            else:
                await self._app(scope, take, give)
        except ProblemError as error:
            await Problem(error)(scope, take, give)
        except asyncio.CancelledError:
            if is_begun:
                raise
            # The server would say 500, after which devices do not send again.
            self._observe(scope, ShuttingDown.status, time.perf_counter() - began)
            await Problem(ShuttingDown("the service is stopping; send the request again later"))(scope, receive, send)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        endpoint = scope.get("endpoint")
        name = "ingest" if endpoint is ingest else getattr(endpoint, "__name__", "none")
        child = self._seconds.get((name, status))
        if child is None:
            child = self._seconds[name, status] = metrics.REQUEST_SECONDS.labels(endpoint=name, status=status)
        child.observe(seconds)

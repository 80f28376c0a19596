"""What the handlers of requests work with, made by the application when it starts."""

from typing import NamedTuple

from starlette.requests import Request

from app.config import Settings
from app.db.pool import Database
from app.ingest.decode import ReadingDecoder
from app.ingest.writer import Writer


class Service(NamedTuple):
    """The application keeps it at `app.state.service`."""

    settings: Settings
    database: Database
    decoder: ReadingDecoder
    writer: Writer


def service(request: Request) -> Service:
    """The service that the application keeps."""
    found: Service = request.app.state.service
    return found

"""What the handlers of requests work with, made by the application when it starts."""

from typing import NamedTuple

from app.config import Settings
from app.db import Database
from app.ingest import Writer
from app.readings import Reader


class Service(NamedTuple):
    """The application keeps it at `app.state.service`."""

    settings: Settings
    database: Database
    reader: Reader
    writer: Writer

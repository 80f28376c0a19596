"""What the conformance tests share beyond the servers: a database that a test has to itself."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.servers import Server, stop_jobs


@pytest.fixture
def own_database(server: Server, template: str) -> Iterator[str]:
    """URL of a migrated database that one test has to itself, its jobs standing still.

    For tests that change policies or drop chunks: a service that shared the database would follow them.
    """
    with server.new_database(template=template) as url:
        stop_jobs(url, server.profile)
        yield url


@pytest.fixture
def own(own_database: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection (autocommit, UTC) to the test's own database."""
    with psycopg.connect(own_database, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection

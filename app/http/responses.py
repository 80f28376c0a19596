"""An answer in JSON."""

from typing import Any

import msgspec
from starlette.responses import Response

from app.http import bodies

_encoder = msgspec.json.Encoder()


def json(content: Any, status: int = 200) -> Response:
    """Structs of the wire as an answer."""
    return Response(_encoder.encode(content), status, media_type=bodies.JSON)

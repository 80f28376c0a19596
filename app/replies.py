"""What every handler begins and ends with: the service that it works with, and an answer in JSON."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app import requests
from app.service import Service

_encoder = msgspec.json.Encoder()


def service(request: Request) -> Service:
    """The service that the application keeps."""
    found: Service = request.app.state.service
    return found


def json(content: Any, status: int = 200) -> Response:
    """Structs of the wire as an answer."""
    return Response(_encoder.encode(content), status, media_type=requests.JSON)

"""Pages for a browser, and the files that they are made of."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import UnknownRoute
from app.http.openapi import document
from app.web import files, pages


def _html(path: str, content: bytes) -> Response:
    return Response(content, media_type="text/html", headers=pages.PAGES[path].headers)


def _framed(path: str) -> Route:
    async def page(request: Request) -> Response:  # noqa: ARG001
        """A page that its modules fill."""
        return _html(path, pages.page(path))

    return Route(path, page)


async def docs(request: Request) -> Response:  # noqa: ARG001
    """This API, to read and to try."""
    return _html(pages.DOCS, pages.docs())


async def docs_list(request: Request) -> Response:  # noqa: ARG001
    """This API, as a plain list."""
    return _html(pages.DOCS_LIST, pages.docs_list(document()))


async def file(request: Request) -> Response:
    """A file of the pages, which a browser may keep for good: its path changes with its content."""
    found = files.file(request.path_params["name"]) if request.url.path.startswith(f"{files.root()}/") else None
    if found is None:
        raise UnknownRoute(f"nothing is served at {request.url.path}; load the page again")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(found.content, media_type=found.media_type, headers=headers)


ROUTES = [
    *(_framed(path) for path in pages.PAGES if path not in (pages.DOCS, pages.DOCS_LIST)),
    Route(pages.DOCS, docs),
    Route(pages.DOCS_LIST, docs_list),
    Route("/files/{hash}/{name}", file),
]

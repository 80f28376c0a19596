"""Pages for a browser: a frame in HTML, which modules of `browser/` fill with what they ask of the API.

Each page comes with a policy that lets it load from this service alone, and run no script that is written in it.
"""

from html import escape
from typing import Any, NamedTuple

from app import __version__
from app.web import files

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
# Swagger UI writes HTML and styles, and has its icons in its stylesheet.
_POLICY_OF_SWAGGER = _POLICY.replace("; require-trusted-types-for 'script'", "").replace(
    "style-src 'self'; img-src 'self'", "style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)


class Page(NamedTuple):
    """A page: what it is called, the module that fills it, and the library that this one uses."""

    title: str
    module: str
    library: str = "uplot"

    @property
    def headers(self) -> dict[str, str]:
        """Headers of its answer."""
        return {
            "Content-Security-Policy": _POLICY_OF_SWAGGER if self.library == "swagger-ui" else _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-cache",
        }


HOME = "/"
DOCS = "/docs"
DOCS_LIST = "/docs/list"
PAGES = {
    HOME: Page("Overview", "overview"),
    "/vehicles": Page("Vehicles", "vehicles"),
    "/vehicles/{id}": Page("Vehicle", "vehicle"),
    "/meters": Page("Meters", "meters"),
    "/meters/{id}": Page("Meter", "meter"),
    "/sessions": Page("Sessions", "sessions"),
    "/sessions/{id}": Page("Session", "session"),
    "/quality": Page("Data quality", "quality"),
    "/database": Page("Database", "database"),
    DOCS: Page("API", "docs", "swagger-ui"),
    DOCS_LIST: Page("API as a list", ""),
}
_MENU = {path: PAGES[path].title for path in (HOME, "/vehicles", "/meters", "/sessions", "/quality", "/database", DOCS)}

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · EV fleet energy</title>
<link rel="icon" href="{root}/icon.svg">
{head}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<a class="brand" href="/">EV fleet energy</a>
<nav aria-label="Pages">{menu}</nav>
</header>
<main id="main" tabindex="-1">
<h1>{title}</h1>
{body}
</main>
<p class="hidden" id="said" role="status"></p>
<footer>Release {release}</footer>
</body>
</html>
"""


def page(path: str, body: str = "") -> bytes:
    """The page at a path; `body` is HTML that stands in it before any script runs."""
    shown = PAGES[path]
    return _FRAME.format(
        title=escape(shown.title),
        root=files.root(),
        head="\n".join(_head(shown)),
        menu="".join(_entry(path, target, name) for target, name in _MENU.items()),
        body=body or _NO_SCRIPT,
        release=escape(__version__),
    ).encode()


_NO_SCRIPT = """<noscript><p class="notice">This page needs JavaScript. Everything on it is in the API, which
<a href="/docs/list">a plain list</a> describes.</p></noscript>"""


def _head(shown: Page) -> list[str]:
    root = files.root()
    lines = []
    if shown.module:
        if files.is_installed(f"{shown.library}.js"):
            lines += [
                f'<link rel="stylesheet" href="{root}/{shown.library}.css">',
                f'<script defer src="{root}/{shown.library}.js"></script>',
            ]
        lines += [f'<link rel="modulepreload" href="{root}/{name}">' for name in files.imports(f"{shown.module}.js")]
        lines.append(f'<script type="module" src="{root}/{shown.module}.js"></script>')
    return [*lines, f'<link rel="stylesheet" href="{root}/style.css">']


def _entry(path: str, target: str, name: str) -> str:
    is_within = path == target or (target != HOME and path.startswith(f"{target}/"))
    current = ' aria-current="page"' if is_within else ""
    return f'<a href="{target}"{current}>{name}</a>'


def docs() -> bytes:
    """The page at `/docs`, on which requests can be tried."""
    missing = """<p class="notice">The library of this page is not installed: run <code>make libraries</code> and start
the service again. <a href="/docs/list">The same as a plain list</a></p>"""
    return page(
        DOCS,
        """<p><a href="/docs/list">As a plain list</a>, for screen readers and small screens; <a href="/openapi.json">as
OpenAPI</a>, for programs</p>
"""
        + ('<div id="swagger"></div>' if files.is_installed("swagger-ui.js") else missing),
    )


def docs_list(document: dict[str, Any]) -> bytes:
    """The page at `/docs/list`, from the OpenAPI document: what `/docs` shows, without a script."""
    sections = [
        _operation(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return page(DOCS_LIST, "\n".join(sections))


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope=row><code>{escape(parameter['name'])}</code>"
        f"<td>{escape(parameter.get('description', 'the id'))}"
        for parameter in operation["parameters"]
    )
    for label, content in (
        ("body", operation.get("requestBody", {}).get("content", {})),
        ("answer", next(iter(operation["responses"].values())).get("content", {})),
    ):
        for media in content.values():
            rows += f"<tr><th scope=row>{label}<td>{escape(', '.join(_names(media['schema'])))}"
    problems = [status for status in operation["responses"] if status >= "400"]
    if problems:
        rows += f"<tr><th scope=row>problems<td>{escape(', '.join(problems))}"
    return (
        f'<h2 class="operation"><span>{method}</span> <code>{escape(path)}</code></h2>\n'
        f'<p>{escape(operation["summary"])}</p>\n<table class="operation">{rows}</table>'
    )


def _names(schema: Any) -> list[str]:
    """The structs that a schema refers to, in order, each once."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return [schema["$ref"].rsplit("/", 1)[-1]]
        found = [name for value in schema.values() for name in _names(value)]
    elif isinstance(schema, list):
        found = [name for value in schema for name in _names(value)]
    else:
        found = []
    return list(dict.fromkeys(found))

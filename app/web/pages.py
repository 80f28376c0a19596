"""The two pages for a browser: home, and the description of the API. No scripts, nothing from other hosts."""

from html import escape
from typing import Any

from app import __version__

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733 }}
h1 {{ font-size: 1.4rem }} h2 {{ font-size: 1rem; margin: 2rem 0 .25rem }}
code {{ background: #eef2f6; padding: .1rem .3rem; border-radius: .2rem }}
table {{ border-collapse: collapse; margin: .5rem 0 }} td {{ padding: .15rem 1rem .15rem 0; vertical-align: top }}
.method {{ display: inline-block; min-width: 4rem; font-weight: 600; color: #0b6e4f }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def home() -> bytes:
    """The page at `/`."""
    body = f"""<p>Energy accounting for EV fleets, release {escape(__version__)}: AC energy from the grid against DC
energy that reached the battery, per vehicle.</p>
<ul>
<li><a href="/docs">The API</a>, also as <a href="/openapi.json">OpenAPI</a></li>
<li><a href="/v1/live/vehicles">Vehicles</a> and <a href="/v1/live/meters">meters</a> now</li>
<li><a href="/readyz">Whether the service is ready</a>, and its <a href="/metrics">metrics</a></li>
</ul>"""
    return _PAGE.format(title="EV fleet energy", body=body).encode()


def docs(document: dict[str, Any]) -> bytes:
    """The page at `/docs`, from the OpenAPI document."""
    sections = [
        _operation(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return _PAGE.format(title="EV fleet energy: API", body="\n".join(sections)).encode()


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(parameter.get('description', 'the id'))}"
        for parameter in operation["parameters"]
    )
    for label, content in (
        ("body", operation.get("requestBody", {}).get("content", {})),
        ("answer", next(iter(operation["responses"].values())).get("content", {})),
    ):
        for media in content.values():
            rows += f"<tr><td>{label}<td>{escape(', '.join(_names(media['schema'])))}"
    problems = [status for status in operation["responses"] if status >= "400"]
    if problems:
        rows += f"<tr><td>problems<td>{escape(', '.join(problems))}"
    return (
        f'<h2><span class="method">{method}</span> <code>{escape(path)}</code></h2>\n'
        f"<p>{escape(operation['summary'])}</p>\n<table>{rows}</table>"
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

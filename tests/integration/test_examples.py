"""What docs/answers.md and the README show is what the service answers, and every endpoint is listed."""

import json
import re
import shutil
import subprocess
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.db import migrate
from app.http.openapi import OPERATIONS
from tests.support.examples import ANSWERS, EXAMPLES, answers, documented
from tests.support.servers import Server
from tests.support.service import ROOT, running_service

README = (ROOT / "README.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_endpoint_has_an_example() -> None:
    described = {(operation.method, operation.path) for operation in OPERATIONS}
    assert {(example.method, example.path) for example in EXAMPLES} == described


def test_the_answers_shown_are_those_of_the_service(postgres_server: Server) -> None:
    assert ANSWERS.read_text(encoding="utf-8") == documented(answers(postgres_server)), (
        "run: python -m tests.support.examples"
    )


@pytest.mark.parametrize("document", ["README.md", "docs/api.md"])
def test_every_endpoint_is_listed(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    [table] = re.findall(r"^\| request \| answer \|\n(.*?)\n\n", text, re.DOTALL | re.MULTILINE)
    requests = " ".join(row.split(" | ")[0] for row in table.splitlines())
    listed = {re.sub(r"{\w+}", "{id}", path) for path in re.findall(r"[ `](/[\w/.{}-]*)", requests)}
    assert listed == {operation.path for operation in OPERATIONS}


def _json_documents(text: str) -> list[Any]:
    """Documents that follow each other with nothing between them."""
    documents, text = [], text.lstrip()
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        documents.append(document)
        text = text[end:].lstrip()
    return documents


def test_the_first_requests_of_the_readme_are_answered_as_it_says(postgres_server: Server) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    blocks = re.findall(r"^```(sh|json)\n(.*?)^```$", _section("One request and its answer"), re.DOTALL | re.MULTILINE)
    script = "".join(text for language, text in blocks if language == "sh" and "curl" in text)
    shown = [json.loads(text) for language, text in blocks if language == "json"]
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with running_service(DATABASE_URL=url) as client:
            script = script.replace("localhost:8000", urlsplit(client.address).netloc)
            done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    _, kept, performance = _json_documents(done.stdout)
    # The window, which ends when it is asked, is shown as one of its length.
    assert performance.pop("window").keys() == shown[1].pop("window").keys()
    assert [kept, performance] == shown

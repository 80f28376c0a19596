"""What docs/ANSWERS.md and the README show is what the service answers, of every endpoint."""

from app.openapi import OPERATIONS
from tests.examples import ANSWERS, BEGINS, ENDS, EXAMPLES, README, answers, documented, tabled
from tests.servers import Server


def test_every_endpoint_has_an_example() -> None:
    described = {(operation.method, operation.path) for operation in OPERATIONS}
    assert {(example.method, example.path) for example in EXAMPLES} == described


def test_the_answers_shown_are_those_of_the_service(postgres_server: Server) -> None:
    told = answers(postgres_server)
    hint = "run: python -m tests.examples"
    assert ANSWERS.read_text(encoding="utf-8") == documented(told), hint
    assert README.read_text(encoding="utf-8").split(BEGINS)[1].split(ENDS)[0] == tabled(told), hint

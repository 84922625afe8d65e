"""`dreamnet agent`: gives an agent its input, as JSON or as words, and shows its answer."""

from __future__ import annotations

import json
import sys
from typing import Any, cast

import click

from dreamnet.cli.failure import FAILED
from dreamnet.cli.here import Here, with_here
from dreamnet.cli.waiting import conclude

_EPILOG = (
    "Examples: dreamnet agent dreamkeeper check=dreamnet-health target=self;   "
    """dreamnet agent deploykeeper '{"action": "scale", "service": "shop", "replicas": 3}'"""
)


@click.command(epilog=_EPILOG)
@click.argument("name")
@click.argument("words", nargs=-1, metavar="JSON | KEY=VALUE...")
@click.option("--idempotency-key", metavar="KEY", help="The same key is one effect, one answer.")
@click.option("--no-wait", is_flag=True, help="Return once work is accepted.")
@with_here
def agent(
    here: Here, name: str, words: tuple[str, ...], idempotency_key: str | None, no_wait: bool
) -> None:
    """Ask an agent a question or give it work.

    The answer of a question is JSON; work is followed to its end. A value that is JSON, such as 3
    or true, is sent as such, any other as text. Exit codes: 0 the answer is ok; 1 it is not, or the
    work failed or was refused; 3 no node answers.
    """
    given = parse(words)
    node = here.node(timeout_s=30.0)
    answer: dict[str, Any] = node.agent(name, given, idempotency_key)
    if "link" in answer:
        conclude(here, node, answer, wait=not no_wait)
        return
    click.echo(json.dumps(answer, indent=None if here.as_json else 2))
    sys.exit(0 if answer.get("ok") else FAILED)


def parse(words: tuple[str, ...]) -> dict[str, Any]:
    """Return the input that one JSON object, or several KEY=VALUE, says; UsageError otherwise."""
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        return _object(words[0])
    given: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise click.UsageError(f'"{word}" is no KEY=VALUE, such as service=shop, and no JSON')
        if key in given:
            raise click.UsageError(f"{key} is given twice")
        given[key] = _value(value)
    return given


def _object(text: str) -> dict[str, Any]:
    try:
        read: object = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"the input is broken JSON: {error}") from error
    return cast("dict[str, Any]", read)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text

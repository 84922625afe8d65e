"""`dreamnet token`: who may use the API, made, listed and revoked."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from dreamnet.cli.here import Here, note, with_here
from dreamnet.cli.node import checked
from dreamnet.cli.output import instant, show_table
from dreamnet.client.transport import Call
from dreamnet.kernel.duration import parse_duration


@click.group(epilog="Example: dreamnet token list")
def token() -> None:
    """Make, list or revoke the tokens that open the API."""


def _seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    del context, parameter
    if text is None:
        return None
    try:
        return int(parse_duration(text).total_seconds())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@token.command(epilog="Example: dreamnet token create grafana --scope read --expires 90d")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "operate", "admin"]),
    required=True,
    help="read: look; operate: restart, scale, approve too; admin: tokens too.",
)
@click.option(
    "--expires", callback=_seconds, help="How long it holds, such as 30d; left out: for ever."
)
@with_here
def create(here: Here, name: str, scope: str, expires: int | None) -> None:
    """Make a token called NAME and show it, this once."""
    body = {"name": name, "scope": scope, "expires_s": expires}
    made: dict[str, Any] = here.node().post("/api/tokens", body)
    if here.as_json:
        here.show_json(made)
        return
    note(f"{made['id']} ({scope}); the token itself is shown only now:")
    click.echo(made["token"])


@token.command("list", epilog="Example: dreamnet token list --json")
@with_here
def list_tokens(here: Here) -> None:
    """List every token, ended ones too; never what opens the API."""
    body = here.node().get("/api/tokens")
    if here.as_json:
        here.show_json(body)
        return
    headings = ("token", "name", "scope", "valid", "created", "expires")
    show_table(headings, [_row(one) for one in body["tokens"]])


def _row(one: dict[str, Any]) -> list[object]:
    ended = "revoked" if one["revoked"] else "expired"
    until = instant(one["expires"]) if one["expires"] else "never"
    valid = "yes" if one["valid"] else ended
    return [one["id"], one["name"], one["scope"], valid, instant(one["created"]), until]


@token.command(epilog="Example: dreamnet token revoke tok-1m826hfmmvtj9vy7")
@click.argument("token_id", metavar="TOKEN")
@with_here
def revoke(here: Here, token_id: str) -> None:
    """End a TOKEN, named by its id, at once; streams it holds open end too."""
    node = here.node()
    body = checked(node.send(Call("DELETE", f"/api/tokens/{quote(token_id, safe='')}"))).body
    if here.as_json:
        here.show_json(body)
        return
    click.echo(f"{body['id']} ({body['name']}) opens nothing any more")

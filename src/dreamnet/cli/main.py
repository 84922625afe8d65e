"""The command line `dreamnet`: a group whose commands are imported when they are used."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import click

from dreamnet import __version__

READER_LEFT = 141  # as a shell reports SIGPIPE

# name: (where the click command is, its first line of help); help alone imports no command
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("dreamnet.cli.init:init", "Write a commented dreamnet.toml for the app here."),
    "up": ("dreamnet.cli.up:up", "Start a node and keep it alive."),
    "down": ("dreamnet.cli.down:down", "Stop the node, the gateway and every service."),
    "status": (
        "dreamnet.cli.status:status",
        "Show the node, the gateway, every service and what is only watched.",
    ),
    "dreams": (
        "dreamnet.cli.dreams:dreams",
        "List what went wrong, tell one dream's story, or what would have been done.",
    ),
    "logs": ("dreamnet.cli.logs:logs", "Show the last log lines of a service."),
    "events": ("dreamnet.cli.events:events", "Show the ledger: everything that happened."),
    "restart": ("dreamnet.cli.restart:restart", "Restart a service, slot by slot, or one slot."),
    "scale": ("dreamnet.cli.scale:scale", "Set how many instances a service has."),
    "agent": ("dreamnet.cli.agent:agent", "Ask an agent a question or give it work."),
    "reef": ("dreamnet.cli.reef:reef", "Show what agents may do; approve or deny an action."),
    "token": ("dreamnet.cli.token:token", "Make, list or revoke the tokens that open the API."),
    "ledger": ("dreamnet.cli.ledger:ledger", "Prove that the ledger is whole."),
    "doctor": ("dreamnet.cli.doctor:doctor", "Say what is wrong here and how to mend it."),
    "backup": ("dreamnet.cli.backup:backup", "Copy the store beside a running node, and prove it."),
    "restore": ("dreamnet.cli.restore:restore", "Bring a backup back, all of it or nothing."),
    "install": (
        "dreamnet.cli.install:install",
        "Let systemd start this node at boot and keep it running.",
    ),
    "halt": ("dreamnet.cli.halt:halt", "Let no action out any more; traffic flows on."),
    "resume": ("dreamnet.cli.halt:resume", "Let actions out again after a halt."),
    "demo": ("dreamnet.cli.demo.command:demo", "Show everything on real services in minutes."),
}


class LazyGroup(click.Group):
    """A group that imports a command at the moment it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order people need them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), name))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of our output that left, such as `head`, has seen enough."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to say
            sys.exit(READER_LEFT)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: dreamnet init && dreamnet up --detach && dreamnet status",
)
@click.version_option(__version__, message="dreamnet %(version)s")
def cli() -> None:
    """DreamNet keeps services alive: it watches, heals, scales and routes them.

    Exit codes: 0 done; 1 failed or refused; 2 wrong usage or configuration; 3 no node answers, or
    it is not ready (status); 130 a waiting command ended by Ctrl-C (`up`: 0).
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors go to stderr, as JSON with `--json`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = cli.main(given, prog_name="dreamnet", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except Exception as error:
        from dreamnet.cli.failure import failure_of, tell

        failure = failure_of(error)
        if failure is None:
            raise
        tell(failure, as_json="--json" in given)
        return failure.code
    return result if isinstance(result, int) else 0

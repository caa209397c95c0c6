"""The command tree. `generate` is implicit: whatever does not begin with a command's name is a prompt."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click

from praxino import __version__
from praxino.errors import UserError

COMMANDS = (
    "generate",
    "edit",
    "extend",
    "replay",
    "show",
    "history",
    "import",
    "models",
    "styles",
    "motions",
    "convert",
    "doctor",
    "bench",
    "calibrate",
    "serve",
    "keys",
    "worker",
    "jobs",
    "train",
    "schema",
)
"""Each is a module here with a `command`."""
_MODULES = {"import": "import_settings"}
"""Where a module cannot have its command's name."""

HELP = """Words and pictures become GIFs and videos, on this computer.

\b
  praxino "a rocket flying up on a blue background"
  praxino "a cat face spinning" --seed 7 -n 4 --grid -o cats.webp
  praxino "bouncing" --image logo.png -o logo.gif
  praxino edit last "jumping up and down"
  praxino extend rocket.mp4 --seconds 3
  praxino replay cats.webp
"""


class Commands(click.Group):
    """A group that shows its help when nothing is asked of it, and names the nearest command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; an empty line asks for help."""
        return super().parse_args(ctx, args or ["--help"])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click's; raises UserError with the nearest name."""
        if self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            nearest = difflib.get_close_matches(args[0], known, n=1)
            fix = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(known)}."
            raise UserError(f"no such command: {ctx.command_path} {args[0]}; {fix}")
        return super().resolve_command(ctx, args)


class App(Commands):
    """The root: imports a command's module when it is wanted, and puts in `generate` when none is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The `command` of the module of that name."""
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"praxino.cli.{_MODULES.get(cmd_name, cmd_name)}").command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, then the options of `generate`, which are those of a bare prompt."""
        self.format_commands(ctx, formatter)
        generate = self.get_command(ctx, "generate")
        if generate is not None:
            generate.format_options(click.Context(generate, ctx, "generate"), formatter)
        with formatter.section("This program"):
            formatter.write_dl([("--version", "show the version and exit")])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, with `generate` put in front of a prompt or of its options; what was given stays in `meta`."""
        ctx.meta["args"] = tuple(args)
        own = {spelling for param in self.get_params(ctx) for spelling in param.opts}
        if args and args[0] not in COMMANDS and args[0] not in own:
            args = ["generate", *args]
        return super().parse_args(ctx, args)


app = App(
    name="praxino",
    help=HELP,
    subcommand_metavar='"PROMPT" [OPTIONS] | COMMAND ...',
    options_metavar="",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
click.version_option(__version__, prog_name="praxino", message="%(prog)s %(version)s")(app)

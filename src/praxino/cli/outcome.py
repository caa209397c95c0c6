"""How a command ends: each kind of error becomes its message, in one to three lines, and its exit code."""

from __future__ import annotations

import difflib
import traceback

import click

from praxino import settings
from praxino.errors import Cancelled, PraxinoError, UserError

FAILED = 1
BAD_INPUT = 2
CANCELLED = 130
"""What shells report for a command ended by Ctrl-C."""


def run(args: list[str]) -> int:
    """Run the command line `args`; the exit code."""
    from praxino.cli.app import app

    try:
        return app.main(args, prog_name="praxino", standalone_mode=False) or 0
    except (Cancelled, KeyboardInterrupt, click.Abort) as problem:
        said = str(problem) if isinstance(problem, Cancelled) else ""
        return _say(said or "cancelled; nothing was written", CANCELLED)
    except click.UsageError as problem:
        return _say(usage_message(problem), BAD_INPUT)
    except UserError as problem:
        return _say(str(problem), BAD_INPUT)
    except PraxinoError as problem:
        return _say(str(problem), FAILED)
    except Exception as problem:
        if settings.value("PRAXINO_DEBUG"):
            traceback.print_exc()
        return _say(unexpected_message(problem), FAILED)


def usage_message(problem: click.UsageError) -> str:
    """One or two lines for what click found wrong with the command line."""
    command = problem.ctx.command_path if problem.ctx else "praxino generate"
    if isinstance(problem, click.NoSuchOption):
        return f"no such option {problem.option_name}; {_other_option(problem)}"
    if isinstance(problem, click.BadOptionUsage):
        return f"{problem.option_name} needs a value; see {command} --help"
    if isinstance(problem, click.MissingParameter) and problem.param is not None:
        named = problem.param.opts[-1] if isinstance(problem.param, click.Option) else problem.param.human_readable_name
        return f"{named} is missing; see {command} --help"
    said = problem.format_message().rstrip(".")
    return f"{said[:1].lower()}{said[1:]}; see {command} --help"


def _other_option(problem: click.NoSuchOption) -> str:
    if problem.ctx is None:
        return "see praxino generate --help"
    known = [spelling for param in problem.ctx.command.get_params(problem.ctx) for spelling in param.opts]
    nearest = difflib.get_close_matches(problem.option_name, [k for k in known if k.startswith("--")], 1, cutoff=0.7)
    if nearest:
        return f"did you mean {nearest[0]}?"
    prompts = ' (a prompt that starts with "-" goes after --)' if problem.ctx.info_name == "generate" else ""
    return f"see {problem.ctx.command_path} --help{prompts}"


def unexpected_message(problem: Exception) -> str:
    """The lines for an error that nobody foresaw."""
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.strerror}: {problem.filename}" if problem.filename else problem.strerror
    said = " ".join(str(problem).split())[:300]
    return (
        f"unexpected {type(problem).__name__}: {said}\n"
        "This is a defect of Praxino. Please report it with the output of `praxino doctor` and of the same command\n"
        "run with PRAXINO_DEBUG=1 in the environment."
    )


def _say(message: str, code: int) -> int:
    click.echo(f"praxino: {message}", err=True)
    return code

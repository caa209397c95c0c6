"""Flags: those of a Request, read off its declarations, and those that say how this one run goes."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from praxino.cli.app import COMMANDS
from praxino.cli.gpus import follow, is_follower
from praxino.errors import UserError
from praxino.request import Option, Request, flag, options, shape
from praxino.settings import history_is_kept

GROUPS = {
    "what": "What to draw",
    "pictures": "Pictures to start from",
    "movement": "Movement and sound",
    "shape": "Size and length",
    "sampling": "Sampling",
    "file": "The file",
    "run": "This run",
}
"""Headings of the help, by Option.group, in order."""


class GroupedOption(click.Option):
    """An option that knows its heading."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help lists its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section a group; ungrouped options go under the last heading."""
        rows: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                rows[getattr(param, "group", "run")].append(record)
        for group, records in rows.items():
            if records:
                with formatter.section(GROUPS[group]):
                    formatter.write_dl(records)


class Scalar(click.ParamType):
    """One value of a Request field. Its bounds and choices are the Request's to check."""

    def __init__(self, spelled: str, kind: type) -> None:
        self.name = spelled
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises UserError when the text is not of the kind."""
        if self.kind is str:
            return readable(value, self.name)
        named = {int: "a whole number", float: "a number"}[self.kind]
        try:
            return self.kind(value)
        except ValueError:
            raise UserError(f"{self.name} must be {named}, got {value!r}.") from None


class CommaList(Scalar):
    """Several values in one argument, as in 19,20."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises UserError when a part is not of the kind."""
        if isinstance(value, tuple):
            return value
        scalar = super().convert
        return tuple(scalar(part.strip(), param, ctx) for part in value.split(","))


def readable(text: str, name: str) -> str:
    """An argument as text, also where the locale is not UTF-8 and Python kept its bytes. Raises UserError."""
    try:
        return os.fsencode(text).decode("utf-8") if any("\ud800" <= c <= "\udfff" for c in text) else text
    except UnicodeError:
        raise UserError(
            f"{name} is not valid UTF-8 text: {text[:60]!a}; type it anew, or set a UTF-8 locale."
        ) from None


def request_options() -> list[click.Parameter]:
    """The prompt and one flag for every other field of Request, in its order."""
    prompt = click.Argument(["prompt"], nargs=-1, metavar="PROMPT", callback=_one_prompt)
    return [prompt, *(_request_option(name, declared) for name, declared in options().items() if name != "prompt")]


def _one_prompt(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> str | None:
    if len(words) < 2:
        return readable(words[0], "the prompt") if words else None
    meant = difflib.get_close_matches(words[0], COMMANDS, n=1)
    fix = (
        f"did you mean praxino {' '.join([meant[0], *words[1:]])}?"
        if meant
        else f'quote it: praxino "{" ".join(words)[:200]}"'
    )
    raise UserError(f"the prompt must be one argument, got {len(words)}; {fix}")


def _request_option(name: str, declared: Option) -> GroupedOption:
    kind, is_list, _ = shape(name)
    spellings = list(declared.flags or (flag(name),))
    shown = {"group": declared.group, "help": describe(name)}
    if kind is bool:
        if shape(name)[2]:
            spellings = [f"{spellings[0]}/--no-{spellings[0].removeprefix('--')}"]
        return GroupedOption([*spellings, name], is_flag=True, default=None, **shown)
    multiple = is_list and kind is str
    converter = CommaList(flag(name), kind) if is_list and not multiple else Scalar(flag(name), kind)
    return GroupedOption([*spellings, name], type=converter, metavar=metavar(name), multiple=multiple, **shown)


def metavar(name: str) -> str:
    """What stands for the field's value in its help."""
    declared = options()[name]
    if declared.choices:
        return "[" + "|".join(declared.choices) + "]"
    return declared.metavar or {int: "N", float: "X", str: "TEXT", bool: ""}[shape(name)[0]]


def describe(name: str) -> str:
    """The field's help with its bounds, unit and default."""
    declared = options()[name]
    notes = []
    if declared.min is not None and declared.max is not None and not declared.choices:
        notes.append(f"{declared.min:g} to {declared.max:,.16g}" + (f" {declared.unit}" if declared.unit else ""))
    default = Request.__dataclass_fields__[name].default
    if default not in (None, (), "", False):
        notes.append(f"default {default}")
    return declared.help + (f"  [{'; '.join(notes)}]" if notes else "")


def request_of(params: Mapping[str, Any]) -> Request:
    """The Request of a command's parameters; only what was given is passed on. Raises UserError."""
    return Request(**given(params))


def given(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Request that a command was given."""
    return {name: params[name] for name in options() if params.get(name) not in (None, ())}


@dataclass(frozen=True)
class Running:
    """How this run goes: nothing here changes the pixels."""

    checkpoint: Path | None
    device: str | None
    metadata: bool
    quiet: bool
    json: bool
    preview: bool
    history: bool = True
    gpus: int | None = None


RUNNING_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--checkpoint",), {"metavar": "FOLDER", "help": "save the state there while denoising, and go on from it"}),
    (("--device",), {"metavar": "NAME", "help": "cpu, cuda, cuda:1, mps; by default the best there is"}),
    (("--gpus",), {"type": int, "metavar": "N", "help": "draw with so many GPUs at the same time, one process each"}),
    (("--no-metadata",), {"is_flag": True, "help": "leave the recipe out of the file"}),
    (("-q", "--quiet"), {"is_flag": True, "help": "print the file's path and errors, nothing else"}),
    (("--json",), {"is_flag": True, "help": "print events as JSON, one a line, on stdout"}),
    (("--no-preview",), {"is_flag": True, "help": "no picture above the progress bar"}),
    (("--no-history",), {"is_flag": True, "help": "do not note the file in the history"}),
)


def running_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command function that takes `running: Running` with the flags of this run."""

    def wrapped(**params: Any) -> Any:
        folder = params.pop("checkpoint")
        running = Running(
            checkpoint=Path(folder) if folder else None,
            device=params.pop("device"),
            metadata=not params.pop("no_metadata"),
            quiet=params.pop("quiet"),
            json=params.pop("json"),
            preview=not params.pop("no_preview"),
            history=not params.pop("no_history") and history_is_kept(),
            gpus=params.pop("gpus"),
        )
        if is_follower():
            follow(running.device)
        return command(running=running, **params)

    wrapped.__doc__ = command.__doc__
    wrapped.__name__ = command.__name__
    for spellings, details in reversed(RUNNING_OPTIONS):
        wrapped = click.option(*spellings, cls=GroupedOption, group="run", **details)(wrapped)
    return wrapped

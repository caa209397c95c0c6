"""Writes docs/reference/*.md from the code's own declarations; with --check, says which of them are out of date.

python docs/generate.py [--check]
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import praxino
from praxino import errors, settings
from praxino.cli import outcome
from praxino.cli.app import app
from praxino.cli.options import GROUPS, describe, metavar
from praxino.cli.wording import amount
from praxino.families import Variant, families
from praxino.request import EXCLUSIVE, Option, flag, options
from praxino.weights.download import download_bytes

SOURCE = Path(praxino.__file__).parent
TARGET = Path(__file__).parent / "reference"
ORIGIN = "<!-- Written by docs/generate.py; edit the declarations, not this page. -->\n"


def request_page() -> str:
    """Every field of a Request: flag, values, meaning."""
    parts = [
        "# Request",
        "What can be wished for. The same names serve as flags of the command, as keyword arguments of "
        "`praxino.generate`, and as fields of the JSON that `praxino schema` describes. What is not given, Praxino "
        "decides.",
    ]
    for group, title in GROUPS.items():
        rows = [_request_row(name, declared) for name, declared in options().items() if declared.group == group]
        if rows:
            parts += [f"## {title}", table(["Field", "Flag", "Value", "Meaning"], rows)]
    pairs = ", ".join(f"`{flag(one)}` and `{flag(other)}`" for one, other in EXCLUSIVE)
    parts += ["## What excludes each other", f"{pairs}."]
    return page(parts)


def _request_row(name: str, declared: Option) -> list[str]:
    spelled = "PROMPT" if name == "prompt" else ", ".join(declared.flags or (flag(name),))
    values = " ".join(f"`{choice}`" for choice in declared.choices) or metavar(name)
    return [f"`{name}`", f"`{spelled}`", values, describe(name)]


def recipe_page() -> str:
    """Every field of a Recipe and of its parts."""
    parts = [
        "# Recipe",
        "Everything decided, as plain JSON. It travels inside every file that Praxino writes: "
        "`praxino show FILE --json` prints it, `praxino replay FILE` draws it again.",
    ]
    declared = _classes(SOURCE / "recipe.py")
    for name in ("Recipe", "GuidancePhase", "Condition", "Media", "Lora", "Pieces", "Extended", "Encoding"):
        rows = [[f"`{field}`", f"`{kind}`", text] for field, kind, text in _fields(declared[name])]
        parts += [f"## {name}", _prose(declared[name]), table(["Field", "Type", "Meaning"], rows)]
    return page(parts)


def command_page() -> str:
    """The help of every command."""
    parts = ["# Command", "What `--help` prints, command by command."]
    root = click.Context(app, info_name="praxino", **app.context_settings, terminal_width=80)
    parts += _help("praxino", app, root)
    return page(parts)


def _help(name: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {name}"
    yield f"```text\n{command.get_help(context)}\n```"
    for child in command.list_commands(context) if isinstance(command, click.Group) else []:
        found = command.get_command(context, child)
        if found is not None and child != "generate":
            yield from _help(f"{name} {child}", found, click.Context(found, context, child, terminal_width=80))


def python_page() -> str:
    """The library's functions and classes."""
    parts = ["# Python", "```python\nimport praxino\n```"]
    for name in praxino.__all__:
        value = getattr(praxino, name)
        if not callable(value):
            continue
        if inspect.isclass(value):
            parts += _class_section(name, value)
        else:
            parts += [f"## praxino.{name}", f"```python\n{name}{_signature(value)}\n```", _docstring(value)]
    return page(parts)


def _class_section(name: str, value: type) -> Iterator[str]:
    yield f"## praxino.{name}"
    yield _docstring(value)
    if name in ("Request", "Recipe"):
        yield f"Its fields: [{name}]({name.lower()}.md)."
    for method, found in inspect.getmembers(value, callable):
        own = found.__qualname__.startswith(f"{name}.") if hasattr(found, "__qualname__") else False
        if own and not method.startswith("_"):
            yield f"### {name}.{method}"
            yield f"```python\n{method}{_signature(found)}\n```"
            yield _docstring(found)


def errors_page() -> str:
    """The error tree and the exit codes."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    rows = [[f"`{kind.__name__}`", inspect.getdoc(kind) or ""] for kind in kinds]
    codes = [
        ["0", "done"],
        [
            str(outcome.FAILED),
            "a model is damaged, the disk is full, the output could not be written, or Praxino has a defect",
        ],
        [str(outcome.BAD_INPUT), "the wish cannot be granted as written; nothing was loaded, nothing written"],
        [str(outcome.CANCELLED), "cancelled by Ctrl-C or SIGTERM; no file is left half written"],
    ]
    return page(
        [
            "# Errors and exit codes",
            "The command prints one to three lines on stderr, beginning with `praxino:`: what is wrong, what was "
            "given, what is allowed, and how to mend it.",
            table(["Exit code", "Meaning"], codes),
            "In Python, everything raised on purpose is a `praxino.errors.PraxinoError`:",
            table(["Error", "Meaning"], rows),
        ]
    )


def settings_page() -> str:
    """The environment variables."""
    rows = [[f"`{s.name}`", s.default or "(empty)", s.help] for s in settings.SETTINGS]
    return page(["# Settings", "Read from the environment.", table(["Variable", "Default", "Meaning"], rows)])


def models_page() -> str:
    """Every variant of every family."""
    parts = ["# Models", "The checkpoints that Praxino knows, with the settings they are drawn with by default."]
    for name, family in sorted(families().items()):
        variants = list(family.variants.values())
        header = ["Name", "Size", "Frames", "Steps", "Guidance", "Prompt tokens", "Download"]
        parts += [f"## {family.title} (`{name}`)", table(header, [_model_row(variant) for variant in variants])]
        parts.append(table(["Tasks", "Of"], _grouped(variants, lambda variant: ", ".join(variant.tasks))))
        parts.append(table(["Licence", "Of"], _grouped(variants, lambda variant: variant.licence)))
        if any(variant.restrictions for variant in variants):
            restricted = _grouped(variants, lambda variant: variant.restrictions or "none")
            parts.append(table(["Restrictions", "Of"], restricted))
    return page(parts)


def _model_row(variant: Variant) -> list[str]:
    return [
        f"`{variant.name}`",
        f"{variant.width}x{variant.height}",
        f"{variant.num_frames} at {variant.fps:g} fps",
        str(variant.steps),
        f"{max(phase.scale for phase in variant.guidance_phases):g}",
        str(variant.max_text_tokens),
        f"about {amount(num_bytes)}" if (num_bytes := download_bytes(variant)) else "",
    ]


def _grouped(variants: list[Variant], fact: Callable[[Variant], str]) -> list[list[str]]:
    """Each value of a fact, with the variants that it is true of."""
    groups: dict[str, list[str]] = {}
    for variant in variants:
        groups.setdefault(fact(variant), []).append(variant.name)
    return [[value, "all" if len(groups) == 1 else ", ".join(names)] for value, names in groups.items()]


def page(parts: list[str]) -> str:
    """A page of parts, each its own paragraph."""
    title, *rest = parts
    return "\n\n".join([title, ORIGIN.rstrip(), *(part for part in rest if part)]) + "\n"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; what is inside cells cannot break it."""
    safe = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *safe]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _classes(path: Path) -> dict[str, ast.ClassDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Name, type and the string below it of each declared field."""
    for here, below in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name):
            text = ""
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                text = inspect.cleandoc(str(below.value.value))
            yield here.target.id, ast.unparse(here.annotation), text


def _prose(node: ast.ClassDef) -> str:
    return ast.get_docstring(node) or ""


def _signature(value: Any) -> str:
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(value)))


def _docstring(value: Any) -> str:
    """The docstring, its Google-style sections as lists."""
    lines = []
    for line in (inspect.getdoc(value) or "").splitlines():
        if line in ("Args:", "Raises:", "Returns:"):
            lines += [f"**{line[:-1]}**", ""]
        elif line.startswith("    ") and not line.startswith("     "):
            name, colon, text = line.strip().partition(": ")
            lines.append(f"- `{name}`: {text}" if colon and " " not in name else f"- {line.strip()}")
        else:
            lines.append(line.strip() if line.startswith("     ") else line)
    return "\n".join(lines)


PAGES: dict[str, Callable[[], str]] = {
    "command.md": command_page,
    "request.md": request_page,
    "recipe.md": recipe_page,
    "python.md": python_page,
    "errors.md": errors_page,
    "settings.md": settings_page,
    "models.md": models_page,
}


def main(check: bool) -> int:
    """Write the pages, or compare them; the exit code."""
    stale = []
    for name, write in PAGES.items():
        path, text = TARGET / name, write()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8", newline="\n")
    if check and stale:
        print(f"out of date: {', '.join(stale)}; run: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))

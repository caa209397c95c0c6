import json
import subprocess
import sys

import pytest

from praxino import __version__
from praxino.cli import generate
from praxino.request import options

HEAVY = ("torch", "diffusers", "transformers", "numpy", "av", "PIL")


@pytest.fixture
def asked(monkeypatch):
    """What `generate` was called with, without drawing anything."""
    seen = []
    monkeypatch.setattr(generate.command, "callback", lambda **params: seen.append(params))
    return seen


@pytest.mark.parametrize(
    "args",
    [
        ["a rocket", "--seed", "7"],
        ["--seed", "7", "a rocket"],
        ["generate", "a rocket", "--seed=7"],
        ["--seed", "7", "--", "a rocket"],
    ],
)
def test_generate_is_implicit(praxino, asked, args):
    assert praxino(*args).code == 0
    assert (asked[0]["prompt"], asked[0]["seed"]) == ("a rocket", 7)


@pytest.mark.parametrize("prompt", ["-5 degrees", "--help", "日本の猫 🐱", "", "a\nb", 'say "hi" $HOME'])
def test_any_prompt_after_two_dashes(praxino, asked, prompt):
    assert praxino("--", prompt).code == 0
    assert asked[0]["prompt"] == prompt


def test_a_prompt_can_be_a_commands_name(praxino, asked):
    praxino("generate", "show")
    assert asked[0]["prompt"] == "show"


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"]])
def test_help_has_every_flag_and_command(praxino, args):
    said = praxino(*args)
    assert said.code == 0
    for name in ("replay", "models", "doctor", "What to draw:", "This run:", "--version", "--checkpoint"):
        assert name in said.out
    for name, declared in options().items():
        assert name == "prompt" or any(flag in said.out for flag in declared.flags or (name.replace("_", "-"),))


def test_version(praxino):
    assert praxino("--version").out == f"praxino {__version__}\n"


@pytest.mark.parametrize("args", [["models"], ["train"]])
def test_a_bare_group_shows_its_help(praxino, args):
    said = praxino(*args)
    assert (said.code, said.err) == (0, "")
    assert "Commands:" in said.out


def test_schema(praxino):
    assert json.loads(praxino("schema").out)["title"] == "Request"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["x", "--sed", "7"], "no such option --sed; did you mean --seed?"),
        (["x", "--frobnicate"], "no such option --frobnicate; see praxino generate --help"),
        (["-5 degrees"], 'a prompt that starts with "-" goes after --'),
        (["x", "--seed"], "--seed needs a value; see praxino generate --help"),
        (["a", "rocket", "flying"], 'the prompt must be one argument, got 3; quote it: praxino "a rocket flying"'),
        (["replya", "x.gif"], "did you mean praxino replay x.gif?"),
        (["models", "lsit"], "no such command: praxino models lsit; did you mean list?"),
        (["models", "xyzzy"], "there are import, list, miniature, pull, remove, show, verify."),
        (["show"], "FILE is missing; see praxino show --help"),
        (["show", "a", "b"], "got unexpected extra argument (b); see praxino show --help"),
        (["train", "pocket"], "--minutes is missing; see praxino train pocket --help"),
        (["--seed", "7"], "nothing to draw."),
    ],
)
def test_a_wrong_command_line_is_told_in_a_line_or_two(praxino, args, message):
    said = praxino(*args)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("praxino: ")
    assert message in said.err
    assert len(said.err.splitlines()) <= 3


@pytest.mark.parametrize("args", [["--help"], ["generate", "-h"], ["models", "-h"], ["schema"], ["x", "--seed", "?"]])
def test_nothing_heavy_is_imported_to_talk(args):
    program = (
        f"import sys; from praxino.cli.outcome import run; run({args!r}); "
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"

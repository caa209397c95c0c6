"""What is spelled is read again as the same Request."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.cli import generate
from praxino.cli.app import app
from praxino.cli.options import given as given_fields
from praxino.cli.spelling import arguments
from praxino.request import Request, options, shape


def read_again(words):
    context = click.Context(app)
    app.parse_args(context, list(words))
    name, *rest = [*context._protected_args, *context.args]
    assert name == "generate"
    inner = generate.command.make_context("generate", rest)
    return Request(**given_fields(inner.params))


@pytest.mark.parametrize("prompt", ["a cat", "-5 degrees", "show", "import", "--", "a 'b' \"c\"\n猫", ""])
def test_prompts(prompt):
    words = arguments(Request(prompt=prompt, seed=3))
    assert read_again(words) == Request(prompt=prompt, seed=3)


def _values(name):
    declared, (kind, is_list, _) = options()[name], shape(name)
    text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
    low, high = declared.min or 0, declared.max or 9
    one = {
        str: st.sampled_from(declared.choices) if declared.choices else text,
        int: st.integers(int(low), int(high)),
        float: st.floats(low, high),
        bool: st.booleans(),
    }[kind]
    return st.lists(one, min_size=1, max_size=3).map(tuple) if is_list else one


@given(st.data(), st.sampled_from([name for name in options() if name != "prompt"]))
def test_every_field(data, name):
    request = Request(prompt="x", **{name: data.draw(_values(name))})
    assert read_again(arguments(request)) == request

import json
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.cli.options import request_of, request_options
from praxino.errors import UserError
from praxino.request import Request, flag, options, shape


def parse(*args):
    command = click.Command("generate", params=request_options(), callback=lambda **params: request_of(params))
    return command.main(list(args), standalone_mode=False)


def values(name):
    """Legal values of a field, as a strategy."""
    declared, (kind, is_list, _) = options()[name], shape(name)
    if declared.choices:
        one = st.sampled_from(declared.choices)
    elif kind is str:
        one = st.text(min_size=1, max_size=20).filter(lambda text: not text.startswith("-"))
    elif kind is bool:
        one = st.just(True)
    elif kind is int:
        one = st.integers(int(declared.min), int(declared.max))
    else:
        one = st.floats(declared.min, declared.max)
    return st.lists(one, min_size=1, max_size=3).map(tuple) if is_list else one


def spelled(name, value):
    """A field's value as command-line arguments."""
    kind, is_list, _ = shape(name)
    if name == "prompt":
        return [value]
    if kind is bool:
        return [flag(name)]
    if is_list and kind is str:
        return [part for item in value for part in (flag(name), item)]
    if is_list:
        return [flag(name), ",".join(map(repr, value))]
    return [flag(name), str(value)]


@pytest.mark.parametrize("name", list(options()))
def test_every_field_arrives_as_it_was_said(name):
    @given(value=values(name))
    def check(value):
        assert parse(*spelled(name, value)) == Request(**{name: value})

    check()


def test_what_is_not_given_is_the_requests_default():
    assert parse() == Request()


def test_a_switch_can_be_turned_off():
    assert parse("--no-cfg-star").cfg_star is False
    assert json.dumps(parse("--no-cfg-star").to_json()) == '{"cfg_star": false}'


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--seed", "abc"], "--seed must be a whole number, got 'abc'."),
        (["--seed", "-1"], "--seed is -1; allowed is 0 to"),
        (["--steps", "0"], "--steps is 0; allowed is 1 to 1,000."),
        (["--steps=-3"], "--steps is -3; allowed is 1 to 1,000."),
        (["--guidance", "nan"], "--guidance is nan; allowed is 0 to 100."),
        (["--guidance", "inf"], "--guidance is inf; allowed is 0 to 100."),
        (["--stg-blocks", "1,x"], "--stg-blocks must be a whole number, got 'x'."),
        (["--stg-blocks", ""], "--stg-blocks must be a whole number, got ''."),
        (["--scheduler", "dpm"], "--scheduler is 'dpm'; allowed are euler, euler-ancestral, heun"),
        (["--frames", "9", "--seconds", "2"], "--frames and --seconds exclude each other"),
        (["x" * 300_000], "the prompt has 300,000 characters; at most 20,000 are allowed."),
    ],
)
def test_a_bad_value_is_refused(args, message):
    with pytest.raises(UserError) as caught:
        parse(*args)
    assert message in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="arguments are UTF-16 there")
@pytest.mark.parametrize("flags", [[], ["--negative"]])
def test_text_from_a_terminal_of_another_encoding(flags):
    words = "猫".encode().decode("ascii", "surrogateescape")
    request = parse(*flags, words)
    assert request == Request(**{"negative_prompt" if flags else "prompt": "猫"})
    with pytest.raises(UserError, match="is not valid UTF-8 text"):
        parse(*flags, "\udcff")

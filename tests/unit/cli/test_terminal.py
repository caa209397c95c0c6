import io

import pytest

from praxino.cli.terminal import examine


class Screen(io.TextIOWrapper):
    def isatty(self):
        return True


def screen(encoding="utf-8"):
    return Screen(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("environ", "truecolor"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, True),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "xterm-direct"}, True),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, False),
    ],
)
def test_24_bit_colours(environ, truecolor):
    assert examine(screen(), environ).truecolor is truecolor


def test_a_dumb_terminal_has_no_cursor_to_move():
    found = examine(screen(), {"TERM": "dumb"})
    assert (found.tty, found.moves) == (True, False)


def test_a_file_is_no_terminal():
    found = examine(io.StringIO(), {"TERM": "xterm-kitty", "COLORTERM": "truecolor"})
    assert (found.tty, found.moves, found.truecolor) == (False, False, False)


@pytest.mark.parametrize(
    ("encoding", "unicode"), [("utf-8", True), ("UTF8", True), ("ascii", False), ("cp1252", False)]
)
def test_characters(encoding, unicode):
    assert examine(screen(encoding), {"TERM": "xterm"}).unicode is unicode

import io
import json

import pytest

from praxino.cli.terminal import Terminal
from praxino.cli.transfer import Counting, Telling, line

WIDE = Terminal(tty=True, moves=True, truecolor=False, unicode=True, columns=100, rows=24)
ASCII = Terminal(tty=True, moves=True, truecolor=False, unicode=False, columns=100, rows=24)
NARROW = Terminal(tty=True, moves=True, truecolor=False, unicode=True, columns=20, rows=24)


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("done", "total", "rate", "terminal", "text"),
    [
        (0, 6_900_000_000, 0, WIDE, "fetching ╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴ 0 B of 6.9 GB"),
        (
            3_450_000_000, 6_900_000_000, 84e6, WIDE,
            "fetching ━━━━━━━━━━━━╴╴╴╴╴╴╴╴╴╴╴╴ 3.5 GB of 6.9 GB  84 MB/s  41 s left",
        ),
        (6_900_000_000, 6_900_000_000, 84e6, WIDE, "fetching ━━━━━━━━━━━━━━━━━━━━━━━━ 6.9 GB of 6.9 GB"),
        (1, 4, 1, ASCII, "fetching [######..................] 1 B of 4 B  1 B/s  3.0 s left"),
        (0, 0, 0, ASCII, "fetching [########################] 0 B of 0 B"),
    ],
)  # fmt: skip
def test_the_line(done, total, rate, terminal, text):
    assert line("fetching", done, total, rate, terminal) == text


def test_the_line_never_wraps():
    assert len(line("fetching", 1, 2, 1.0, NARROW)) == 19


def test_it_counts_in_place_and_wipes_itself(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen, now = Screen(), [0.0]
    with Counting(Telling(False, False), "fetching", 4000, 1000, "checking", screen, lambda: now[0]) as counting:
        now[0] = 1.0
        counting.add(1000)
        now[0] = 1.01
        counting.add(500)
        assert screen.getvalue().count("\r") == 1
        assert "2 kB of 4 kB  1 kB/s  2.0 s left" in screen.getvalue()
        counting.add(-500)
        counting.reach(4000, 4000)
        assert "checking [########################] 4 kB of 4 kB" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
    assert "\n" not in screen.getvalue()


@pytest.mark.parametrize("told", [Telling(True, False), Telling(False, True)])
def test_nothing_is_drawn_for_those_who_do_not_look(told, monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    with Counting(told, "fetching", 4, stream=screen) as counting:
        counting.add(4)
    assert screen.getvalue() == ""
    events = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert events == (
        [{"event": "progress", "doing": "fetching", "bytes": 4, "total_bytes": 4}] if told.as_json else []
    )


def test_who_is_told_what(capsys):
    for telling in (Telling(False, False), Telling(True, False), Telling(False, True)):
        telling.say("for people")
        telling.event("done", name="x")
        telling.result("/a/path")
    told = capsys.readouterr()
    assert told.err == "for people\n"
    assert told.out == '/a/path\n/a/path\n{"event": "done", "name": "x"}\n'

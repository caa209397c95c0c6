import io

import numpy as np
import pytest

from praxino.cli.progress import PREVIEW_SECONDS, Progress, status_line
from praxino.cli.terminal import Terminal
from praxino.events import StepEvent

COLOURFUL = Terminal(tty=True, moves=True, truecolor=True, unicode=True, columns=80, rows=3)
PLAIN = Terminal(tty=True, moves=True, truecolor=False, unicode=True, columns=80, rows=24)
ASCII = Terminal(tty=True, moves=True, truecolor=False, unicode=False, columns=80, rows=24)
PIPE = Terminal(tty=False, moves=False, truecolor=False, unicode=True, columns=80, rows=24)
RED = np.full((2, 1, 3), (255, 0, 0), np.uint8)
RED_LINE = "\x1b[38;2;255;0;0;48;2;255;0;0m▀\x1b[0m"


def step(number, preview=None, seconds=1.0, **fields):
    return StepEvent("denoise", number, 4, seconds * number, preview=preview, **fields)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("event", "terminal", "line"),
    [
        (step(1), PLAIN, "denoising ━━━━━━╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴╴ 1/4  3.0 s left"),
        (step(4), PLAIN, "denoising ━━━━━━━━━━━━━━━━━━━━━━━━ 4/4  4.0 s"),
        (step(1, seconds=100), ASCII, "denoising [######..................] 1/4  5 min 0 s left"),
        (step(2, sample=1, num_samples=3), ASCII, "denoising 2 of 3 [############............] 2/4  2.0 s left"),
        (StepEvent("load", 1, 1, 12.3), ASCII, "loading [########################] 1/1  12 s"),
    ],
)
def test_the_line(event, terminal, line):
    assert status_line(event, terminal) == line


def test_the_line_never_wraps():
    narrow = Terminal(tty=True, moves=True, truecolor=False, unicode=True, columns=20, rows=24)
    assert len(status_line(step(1), narrow)) == 19


def test_it_redraws_in_place_and_wipes_itself():
    stream = io.StringIO()
    progress = Progress(stream, COLOURFUL, clock=Clock())
    progress.announce("loading pocket")
    progress.show(step(4, preview=lambda: RED))
    progress.show(step(4))
    progress.close()
    line = "denoising ━━━━━━━━━━━━━━━━━━━━━━━━ 4/4  4.0 s\x1b[K"
    assert stream.getvalue() == (
        f"\rloading pocket\x1b[K\r{RED_LINE}\x1b[K\n{line}\r\x1b[1A{RED_LINE}\x1b[K\n{line}\r\x1b[1A\x1b[J"
    )


def test_events_that_come_too_fast_are_skipped():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, PLAIN, clock=clock)
    for number in (1, 2, 3):
        progress.show(step(number))
    clock.now += 1
    progress.show(step(3))
    assert [number in stream.getvalue() for number in ("1/4", "2/4", "3/4")] == [True, False, True]


def test_previews_cost_a_small_share_of_the_time():
    clock, drawn = Clock(), []

    def slow_preview():
        drawn.append(clock.now)
        clock.now += 1
        return RED

    progress = Progress(io.StringIO(), COLOURFUL, clock=clock)
    while clock.now < 200:
        progress.show(step(1, preview=slow_preview))
        clock.now += 0.1
    assert len(drawn) == 5


def test_quick_previews_come_four_times_a_second():
    clock, drawn = Clock(), []
    progress = Progress(io.StringIO(), COLOURFUL, clock=clock)
    while clock.now < 110:
        progress.show(step(1, preview=lambda: drawn.append(clock.now) or RED))
        clock.now += 0.01
    assert 10 / PREVIEW_SECONDS * 0.5 < len(drawn) <= 10 / PREVIEW_SECONDS


@pytest.mark.parametrize(("terminal", "preview"), [(PLAIN, True), (COLOURFUL, False), (PIPE, True)])
def test_no_preview_where_it_cannot_or_must_not_be(terminal, preview):
    def fail():
        raise AssertionError("drawn")

    Progress(io.StringIO(), terminal, preview=preview, clock=Clock()).show(step(1, preview=fail))


def test_nothing_is_written_into_a_pipe():
    stream = io.StringIO()
    progress = Progress(stream, PIPE)
    progress.announce("loading")
    progress.show(step(4, preview=lambda: RED))
    progress.close()
    assert stream.getvalue() == ""

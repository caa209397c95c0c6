"""What the launcher of several processes says and answers, by how these end."""

import subprocess
import sys

import pytest

from praxino.cli import ranks


@pytest.fixture
def begin():
    begun = []

    def popen(program):
        begun.append(subprocess.Popen([sys.executable, "-c", program]))
        return begun[-1]

    yield popen
    for process in begun:
        process.kill()
        process.wait()


WAITS = "import time; time.sleep(600)"
ENDS, FAILS, IS_KILLED = "", "raise SystemExit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(("first", "other", "code"), [(ENDS, ENDS, 0), (FAILS, WAITS, 3), (IS_KILLED, WAITS, 9)])
def test_the_first_decides(begin, capsys, monkeypatch, first, other, code):
    monkeypatch.setattr(ranks, "LAST_WORDS_SECONDS", 60)
    assert ranks._watched([begin(first), begin(other)]) == code
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("other", "told"), [(FAILS, 3), (IS_KILLED, -9)])
def test_a_first_one_that_never_hears_of_it_is_spoken_for(begin, capsys, monkeypatch, other, told):
    monkeypatch.setattr(ranks, "LAST_WORDS_SECONDS", 0)
    assert ranks._watched([begin(WAITS), begin(other)]) == 1
    said = f"praxino: one of 2 processes ended without a word (exit code {told}).\n"
    assert capsys.readouterr().err == said

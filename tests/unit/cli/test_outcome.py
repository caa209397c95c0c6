import io
import os
import subprocess
import sys

import click
import pytest

from praxino.cli import schema
from praxino.cli.terminal import forgive_encoding
from praxino.errors import Cancelled, JobError, ModelError, UserError


def raising(problem):
    def callback():
        raise problem

    return callback


@pytest.mark.parametrize(
    ("problem", "code", "said"),
    [
        (UserError("no"), 2, "praxino: no\n"),
        (ModelError("broken"), 1, "praxino: broken\n"),
        (JobError("lost"), 1, "praxino: lost\n"),
        (Cancelled("cancelled; state is kept"), 130, "praxino: cancelled; state is kept\n"),
        (KeyboardInterrupt(), 130, "praxino: cancelled; nothing was written\n"),
        (click.Abort(), 130, "praxino: cancelled; nothing was written\n"),
        (OSError(28, "No space left on device", "x.gif"), 1, "praxino: No space left on device: x.gif\n"),
    ],
)
def test_each_error_has_its_exit_code(praxino, monkeypatch, problem, code, said):
    monkeypatch.setattr(schema.command, "callback", raising(problem))
    ended = praxino("schema")
    assert (ended.code, ended.out, ended.err.lstrip()) == (code, "", said)


def test_an_unexpected_error_is_told_in_short(praxino, monkeypatch):
    monkeypatch.setattr(schema.command, "callback", raising(KeyError("x\ny" * 1000)))
    said = praxino("schema")
    assert said.code == 1
    assert said.err.startswith("praxino: unexpected KeyError: ")
    assert "PRAXINO_DEBUG=1" in said.err
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) == 3


def test_an_unexpected_error_with_its_traceback(praxino, monkeypatch):
    monkeypatch.setenv("PRAXINO_DEBUG", "1")
    monkeypatch.setattr(schema.command, "callback", raising(KeyError("x")))
    assert "Traceback" in praxino("schema").err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break in another way there")
def test_a_reader_that_goes_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "praxino", "schema"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_streams_that_cannot_spell_do_not_fail():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    forgive_encoding(stream)
    stream.write("猫 rocket")
    stream.flush()
    assert stream.buffer.getvalue() == b"? rocket"


def test_a_files_name_is_printed_byte_for_byte():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    forgive_encoding(stream)
    stream.write(b"\xff.gif".decode("utf-8", "surrogateescape"))
    stream.flush()
    assert stream.buffer.getvalue() == b"\xff.gif"

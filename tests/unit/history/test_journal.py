import dataclasses
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from praxino.errors import UserError
from praxino.history import Entry, Journal
from praxino.settings import home

ENTRY = Entry(0, "2026-01-01T00:00:00+00:00", "/pictures/cat.png", "ab" * 32, "cd" * 32, "a cat", "pocket", "")


def made(**fields):
    return dataclasses.replace(ENTRY, **fields)


def test_what_is_added_is_there_in_order():
    journal = Journal()
    assert journal.entries() == []
    assert journal.last() is None
    assert journal.add([ENTRY, made(prompt="a dog")]) == [1, 2]
    assert journal.add([made(parent=1, prompt="watercolour")]) == [3]
    assert [entry.prompt for entry in journal.entries()] == ["a cat", "a dog", "watercolour"]
    assert journal.last() == made(id=3, parent=1, prompt="watercolour")
    assert journal.get(2) == made(id=2, prompt="a dog")
    assert journal.get(9) is None


def test_it_lies_in_the_home_and_only_once_something_is_noted():
    Journal().entries()
    assert not home().joinpath("history.sqlite").exists()
    Journal().add([ENTRY])
    assert home().joinpath("history.sqlite").exists()


@pytest.mark.parametrize("field", ["path", "model"])
def test_file_names_that_are_not_text(field):
    name = os.fsdecode(b"/caf\xe9/\xff.png")
    Journal().add([made(**{field: name})])
    assert getattr(Journal().get(1), field) == name


def test_a_file_is_found_by_its_bytes_and_pixels():
    journal = Journal()
    here, there = Path("/pictures/cat.png"), Path("/copies/cat.png")
    journal.add([ENTRY, made(path=str(there)), made(sha256="ef" * 32)])
    assert journal.of_file(here, ENTRY.sha256).id == 1
    assert journal.of_file(there, ENTRY.sha256).id == 2
    assert journal.of_file(Path("/elsewhere.png"), ENTRY.sha256).id == 2
    assert journal.of_file(here, "00" * 32) is None
    assert journal.of_identity(ENTRY.identity).id == 3
    assert journal.of_identity("") is None


def test_what_came_from_a_forgotten_one_comes_from_its_parent():
    journal = Journal()
    journal.add([ENTRY, made(parent=1, prompt="secret"), made(parent=2), made(parent=2)])
    journal.forget([2])
    assert [(entry.id, entry.parent) for entry in journal.entries()] == [(1, None), (3, 1), (4, 1)]
    assert b"secret" not in journal.path.read_bytes()
    assert journal.add([ENTRY]) == [5]
    journal.forget([5, 1])
    assert [(entry.id, entry.parent) for entry in journal.entries()] == [(3, None), (4, None)]
    assert journal.add([ENTRY]) == [6]


def test_an_empty_file_is_an_empty_history(tmp_path):
    journal = Journal(tmp_path / "new" / "history.sqlite")
    journal.path.parent.mkdir()
    journal.path.touch()
    assert journal.entries() == []
    assert journal.add([ENTRY]) == [1]


@pytest.mark.parametrize(
    "content", [b"no database, but long enough to look at" * 40, b"SQLite format 3\0" + b"\0" * 4096]
)
def test_damage_is_told(tmp_path, content):
    journal = Journal(tmp_path / "history.sqlite")
    journal.path.write_bytes(content)
    for use in (journal.entries, lambda: journal.add([ENTRY]), lambda: journal.forget([1])):
        with pytest.raises(UserError, match=r"history\.sqlite cannot be used"):
            use()
    assert journal.path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be used"):
        Journal(tmp_path / "file" / "history.sqlite").add([ENTRY])


def test_a_newer_version_is_refused(tmp_path):
    journal = Journal(tmp_path / "history.sqlite")
    with sqlite3.connect(journal.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UserError, match="version 99"):
        journal.entries()


def test_many_processes_write_at_once():
    program = (
        "import dataclasses, sys; from praxino.history import Entry, Journal\n"
        f"entry = Entry(*{dataclasses.astuple(ENTRY)!r})\n"
        "for i in range(20):\n"
        "    Journal().add([dataclasses.replace(entry, prompt=f'{sys.argv[1]} {i} {j}') for j in (0, 1)])"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    entries = Journal().entries()
    assert [entry.id for entry in entries] == list(range(1, 161))
    assert {entry.prompt for entry in entries} == {f"{n} {i} {j}" for n in range(4) for i in range(20) for j in (0, 1)}
    for first, second in zip(entries[::2], entries[1::2], strict=True):
        assert first.prompt[:-1] == second.prompt[:-1]

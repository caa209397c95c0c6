import os

import pytest

from praxino.weights.listing import files_below, state


@pytest.fixture
def folder(tmp_path):
    model = tmp_path / "model"
    (model / "vae" / "deep").mkdir(parents=True)
    (model / "index.json").write_text("{}")
    (model / "vae" / "config.json").write_text("{ }")
    (model / "vae" / "deep" / "x.txt").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.bin").write_text("far")
    (model / "linked.bin").symlink_to(tmp_path / "elsewhere" / "far.bin")
    (model / "linked").symlink_to(tmp_path / "elsewhere")
    (model / "broken").symlink_to(tmp_path / "nothing")
    return model


def test_files_below_are_those_that_pathlib_finds(folder):
    found = [file for file in folder.rglob("*") if file.is_file()]
    expected = sorted((f.relative_to(folder).as_posix(), f.stat().st_size, f.stat().st_mtime_ns) for f in found)
    assert [tuple(file) for file in files_below(folder)] == expected
    assert "linked.bin" in [file.name for file in files_below(folder)]


def test_state_goes_two_levels_deep_and_follows_links(folder):
    found = [file for file in (folder, *folder.glob("*"), *folder.glob("*/*")) if file.exists()]
    expected = sorted((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in found)
    assert [tuple(file) for file in state(folder)] == expected
    assert str(folder / "linked" / "far.bin") in [file.name for file in state(folder)]


def test_state_of_one_file_and_of_nothing(folder):
    file = folder / "index.json"
    assert [tuple(found) for found in state(file)] == [(str(file), 2, file.stat().st_mtime_ns)]
    assert state(folder / "nothing") == ()


@pytest.mark.parametrize("look", [files_below, state])
def test_any_change_is_seen(folder, look):
    before, file = look(folder), folder / "vae" / "config.json"
    os.utime(file, ns=(1, 1))
    touched = look(folder)
    file.write_text("{   }")
    assert len({before, touched, look(folder)}) == 3
    file.unlink()
    assert len(look(folder)) == len(before) - 1

"""What a newcomer is told before a run: where things are looked for, what is read of captions, what is refused."""

from pathlib import Path

import pytest

from praxino.cli import main


def praxino(*arguments):
    """The exit status."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return end.value.code


def test_a_new_file_finds_its_clips_from_where_it_lies(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert praxino("train", "example", "zib-clips") == 0
    assert praxino("train", "new", "settings/zib.toml", "--data", "zib-clips", "--trigger", "zib") == 0
    text = Path("settings/zib.toml").read_text(encoding="utf-8")
    assert 'data = "../zib-clips"' in text
    assert 'samples = ["zib bouncing on a blue background", "zib pulsing on a green background"]' in text
    assert praxino("train", "check", "settings/zib.toml") == 0
    assert "10 examples of 64x64, 9 frames" in capsys.readouterr().out


def test_no_file_is_written_for_what_cannot_be_taught(tmp_path, capsys):
    assert praxino("train", "new", str(tmp_path / "svd" / "svd.toml"), "-m", "svd") == 2
    assert "svd cannot be fine-tuned" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_words_that_the_model_does_not_know_are_told(tmp_path, capsys):
    praxino("train", "example", str(tmp_path / "clips"))
    next((tmp_path / "clips").glob("*.txt")).write_text("a wombat bouncing on a blue background", encoding="utf-8")
    assert praxino("train", "check", str(tmp_path / "clips")) == 0
    said = capsys.readouterr().out
    assert "'a wombat bouncing on a blue background', read as" in said and "it does not know wombat" in said

"""What a newcomer is told before a run: where things are looked for, what is read of captions, what is refused."""

import shutil
from pathlib import Path

import pytest

from praxino.cli import main
from praxino.errors import UserError
from praxino.training.tuning.outputs import use
from praxino.training.tuning.settings import Tuning
from praxino.vocabulary import Vocabulary


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


def test_other_clips_than_at_the_start_are_told_and_another_checkpoint_is_refused(tune, clips, tiny, tmp_path):
    data, model = tmp_path / "data", tmp_path / "model"
    shutil.copytree(clips, data)
    shutil.copytree(tiny, model)
    said = []

    def again(steps):
        said.clear()
        tune(data=str(data), model=str(model), steps=steps, resume=steps > 1, on_event=said.append)
        return any("not those that this run had last" in line for line in said)

    assert not again(1) and not again(2)
    (data / "clip-0.txt").write_text("a square that stays")
    assert again(3) and not again(4)
    (model / "model_index.json").write_text((model / "model_index.json").read_text() + " ")
    with pytest.raises(UserError, match="is not what it was when this run began"):
        again(5)


def test_a_whole_checkpoint_of_the_bundled_model_knows_its_trigger(tune):
    out = tune(model="pocket", method="full", trigger="zib", steps=1)
    read = Vocabulary.read(out / "model" / "vocabulary.json").understand("zib spinning on a blue background")
    assert read.known[0] == "zib" and not read.ignored


def test_what_to_try_is_never_an_empty_prompt():
    assert use(Tuning(), "runs/a") == 'praxino "..." -m pocket --lora runs/a'


def test_what_takes_long_before_the_first_step_is_reported(tune, monkeypatch):
    monkeypatch.setattr("praxino.training.tuning.material.REPORT_SECONDS", 0.0)
    said = []
    tune(steps=1, on_event=said.append)
    assert "encoding clips: 5 of 6" in said

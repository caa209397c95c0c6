import dataclasses
import json
import signal

import numpy as np
import pytest

from praxino import media
from praxino.cli.drawing import closing_line, draw
from praxino.cli.options import Running
from praxino.engine import output, run
from praxino.engine.drawn import Drawn
from praxino.errors import Cancelled, ModelError
from praxino.events import StepEvent

LOUD = Running(checkpoint=None, device=None, metadata=True, quiet=False, json=False, preview=True)
FRAMES = np.zeros((9, 64, 64, 3), np.uint8)


@pytest.fixture
def engine(monkeypatch):
    """Stands for the engine: takes two steps and writes one byte a file."""

    def fake_draw(recipe, on_step, *, checkpoint, device, early):
        for step in (1, 2):
            on_step(StepEvent("denoise", step, 2, 0.5 * step))
        return [Drawn(FRAMES)] * recipe.n

    def fake_save(clips, recipe, path, *, metadata):
        path.write_bytes(b"x")
        return [path]

    monkeypatch.setattr(run, "draw", fake_draw)
    monkeypatch.setattr(output, "save_clips", fake_save)
    return run


def test_people_read_stderr_and_programs_stdout(engine, recipe, tmp_path, capsys):
    path = tmp_path / "r.gif"
    assert draw(recipe, path, LOUD, ("pocket knows: rocket",)) == [path]
    said = capsys.readouterr()
    assert said.out == f"{path}\n"
    notes, closing = said.err.splitlines()
    assert notes == "pocket knows: rocket"
    assert closing.startswith(f"wrote {path} in ")
    assert closing.endswith("(64x64, 9 frames, 1.1 s, seed 7, 1 B)")


def test_quiet(engine, recipe, tmp_path, capsys):
    path = tmp_path / "r.gif"
    draw(recipe, path, dataclasses.replace(LOUD, quiet=True), ("note",))
    assert capsys.readouterr() == (f"{path}\n", "")


def test_events(engine, recipe, tmp_path, capsys):
    path = tmp_path / "r.gif"
    draw(recipe, path, dataclasses.replace(LOUD, json=True), ("note",))
    said = capsys.readouterr()
    resolved, *steps, written = [json.loads(line) for line in said.out.splitlines()]
    assert said.err == ""
    assert (resolved["event"], resolved["notes"], resolved["recipe"]) == ("resolved", ["note"], recipe.to_json())
    assert steps[0] == {
        **{"event": "step", "stage": "denoise", "step": 1, "num_steps": 2, "sample": 0, "num_samples": 1},
        **{"seconds": 0.5, "seconds_left": 0.5},
    }
    assert (written["event"], written["files"]) == ("written", [str(path)])


def test_a_failure_is_an_event_too(engine, recipe, tmp_path, capsys, monkeypatch):
    def fail(*args, **kwargs):
        raise ModelError("damaged")

    monkeypatch.setattr(run, "draw", fail)
    with pytest.raises(ModelError):
        draw(recipe, tmp_path / "r.gif", dataclasses.replace(LOUD, json=True))
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "event": "failed",
        "error": "ModelError",
        "message": "damaged",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_within_a_step_and_writes_nothing(engine, recipe, tmp_path, monkeypatch, number):
    steps = []

    def interrupted(recipe, on_step, **kwargs):
        for step in range(1, 9):
            if step == 3:
                signal.raise_signal(number)
            steps.append(step)
            on_step(StepEvent("denoise", step, 8, 0.1 * step))

    monkeypatch.setattr(run, "draw", interrupted)
    with pytest.raises(Cancelled, match="nothing was written"):
        draw(recipe, tmp_path / "r.gif", LOUD)
    assert steps == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []


def test_cancelling_with_a_checkpoint_says_how_to_go_on(engine, recipe, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "draw", interrupted)
    with pytest.raises(Cancelled, match="The same command goes on from state"):
        draw(recipe, tmp_path / "r.gif", dataclasses.replace(LOUD, checkpoint="state"))


def test_the_closing_line_of_several_files_and_of_a_still(recipe, tmp_path):
    paths = [tmp_path / f"r-{i}.gif" for i in (1, 2, 3)]
    for path in paths:
        path.write_bytes(b"xy")
    line = closing_line(paths, dataclasses.replace(recipe, n=3), 2.0)
    assert line == f"wrote {paths[0]} ... r-3.gif in 2.0 s  (64x64, 9 frames, 1.1 s, seeds 7 to 9, 6 B)"
    still = closing_line(paths[:1], dataclasses.replace(recipe, num_frames=1), 2.0)
    assert still.endswith("(64x64, 1 frame, seed 7, 2 B)")


@pytest.mark.parametrize(("plain", "said"), [(True, ""), (False, "the ground is not of one colour")])
def test_a_ground_that_cannot_be_taken_away_is_told(engine, recipe, tmp_path, monkeypatch, capsys, plain, said):
    frames = FRAMES if plain else np.random.default_rng(0).integers(0, 256, FRAMES.shape, dtype=np.uint8)
    monkeypatch.setattr(engine, "draw", lambda *args, **kwargs: [Drawn(frames)])
    encoding = dataclasses.replace(recipe.encoding, matting="ground")
    draw(dataclasses.replace(recipe, encoding=encoding), tmp_path / "r.gif", LOUD)
    assert capsys.readouterr().err.startswith(said or "wrote ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_video_is_being_finished_leaves_nothing(recipe, tmp_path, monkeypatch, number):
    encoding = dataclasses.replace(recipe.encoding, format="mp4", codec="h264")

    def drawn(recipe, on_step, *, early, **kwargs):
        early.begin(recipe)(FRAMES)
        return [Drawn(FRAMES)]

    def interrupted(self):
        signal.raise_signal(number)

    monkeypatch.setattr(run, "draw", drawn)
    monkeypatch.setattr(media.StreamedVideo, "finish", interrupted)
    with pytest.raises(Cancelled, match="nothing was written"):
        draw(dataclasses.replace(recipe, encoding=encoding), tmp_path / "r.mp4", LOUD)
    assert list(tmp_path.iterdir()) == []

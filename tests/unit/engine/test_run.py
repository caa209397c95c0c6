import dataclasses
import json

import numpy as np
import pytest

from praxino.engine.checkpoint import clear, resolve_or_resume
from praxino.engine.machine import Machine
from praxino.engine.output import default_path, read_recipe, sample_paths, save_clips
from praxino.engine.resolve import resolve
from praxino.engine.run import draw as draw_samples
from praxino.engine.run import run
from praxino.errors import Cancelled, UserError
from praxino.request import Request


def resolution(toy, **fields):
    return resolve(Request("a dog", **fields), find=lambda name: toy.entry, machine=Machine("cpu"))


def draw(toy, on_step=lambda event: None, checkpoint=None, **fields):
    return run(resolution(toy, **fields).recipe, on_step, checkpoint=checkpoint)


def test_n_samples_are_n_single_runs(toy):
    together = draw(toy, seed=5, n=3)
    alone = [draw(toy, seed=5 + i)[0] for i in range(3)]
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))
    assert not np.array_equal(together[0], together[1])


def test_events_tell_every_step(toy):
    events = []
    draw(toy, events.append, seed=1, n=2)
    assert [e.step for e in events if e.stage == "denoise" and e.sample == 1] == [1, 2, 3, 4]
    assert all(e.num_steps == 4 and e.seconds_left >= 0 for e in events if e.stage == "denoise")
    assert next(e for e in events if e.preview).preview().shape == (2, 2, 3)


def test_the_networks_stay_loaded(toy):
    draw(toy, seed=1)
    draw(toy, seed=2)
    assert toy.loads == 1


def test_another_revision_is_refused(toy):
    recipe = dataclasses.replace(resolution(toy, seed=1).recipe, revision="0" * 32)
    with pytest.raises(UserError, match="revision"):
        run(recipe, lambda event: None)


@pytest.mark.parametrize("stop_at", [1, 3, 6])
def test_a_stopped_run_goes_on_and_ends_in_the_same_pixels(toy, tmp_path, monkeypatch, stop_at):
    monkeypatch.setenv("PRAXINO_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr("praxino.engine.checkpoint._COST_SHARE", 1e9)
    straight = draw(toy, seed=5, n=2)
    seen = []

    def stop(event):
        seen.append(event)
        if len([e for e in seen if e.stage == "denoise"]) == stop_at:
            raise Cancelled

    folder = tmp_path / "state"
    with pytest.raises(Cancelled):
        draw(toy, stop, folder, seed=5, n=2)
    toy.steps_done = 0
    resumed = draw(toy, checkpoint=folder, seed=5, n=2)
    assert toy.steps_done == 8 - stop_at
    assert all(np.array_equal(a, b) for a, b in zip(straight, resumed, strict=True))


def test_the_same_request_goes_on_with_the_same_drawn_seed(toy, tmp_path):
    folder = tmp_path / "state"
    request = Request("a dog")
    first = resolve_or_resume(request, folder, resolution(toy))
    again = resolve_or_resume(request, folder, resolution(toy))
    assert again.recipe == first.recipe
    with pytest.raises(UserError, match="another run"):
        resolve_or_resume(Request("a cat"), folder, resolution(toy))
    clear(folder)
    assert not folder.exists()


def test_a_changed_model_is_not_gone_on_with(toy, tmp_path):
    folder = tmp_path / "state"
    request = Request("a dog")
    resolve_or_resume(request, folder, resolution(toy))
    (toy.entry.path / "toy.json").write_text("changed")
    with pytest.raises(UserError, match="changed since"):
        resolve_or_resume(request, folder, resolution(toy))


def test_a_checkpoint_that_cannot_be_written(toy, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        resolve_or_resume(Request("a dog"), file / "state", resolution(toy))


def test_files_carry_their_own_samples_recipe(toy, tmp_path):
    recipe = resolution(toy, seed=5, n=2, format="png").recipe
    clips = draw_samples(recipe, lambda event: None)
    paths = save_clips(clips, recipe, tmp_path / "dog.png")
    assert [path.name for path in paths] == ["dog-1.png", "dog-2.png"]
    assert read_recipe(paths[1]) == recipe.single(1)
    (bare,) = save_clips(clips[:1], recipe.single(0), tmp_path / "bare.png", metadata=False)
    with pytest.raises(UserError, match="no recipe"):
        read_recipe(bare)


def test_default_names_are_readable_and_never_taken(tmp_path):
    first = default_path("A rocket: flying UP!", "gif", tmp_path)
    assert first.name == "a-rocket-flying-up.gif"
    first.touch()
    assert default_path("A rocket: flying UP!", "gif", tmp_path).name == "a-rocket-flying-up-2.gif"
    assert default_path("", "webp", tmp_path).name == "praxino.webp"
    assert len(default_path("火箭" * 5000, "gif", tmp_path).name.encode()) < 255
    assert [p.name for p in sample_paths(tmp_path / "x.gif", 2, True)] == ["x.gif"]


def test_a_damaged_state_is_told(toy, tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match="delete its folder"):
        resolve_or_resume(Request("a dog"), tmp_path, resolution(toy))
    (tmp_path / "run.json").write_text(json.dumps({"request": {}}))
    with pytest.raises(UserError, match="another run"):
        resolve_or_resume(Request("a dog"), tmp_path, resolution(toy))

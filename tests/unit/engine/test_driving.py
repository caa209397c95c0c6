"""The movement that a clip follows, and the camera's words."""

import dataclasses

import numpy as np
import pytest

from praxino import media
from praxino.engine.camera import PHRASES
from praxino.engine.driving import with_pose_control
from praxino.engine.machine import Machine
from praxino.engine.resolve import resolve
from praxino.errors import UserError
from praxino.motions import find
from praxino.motions.motion import to_json
from praxino.motions.render import render
from praxino.recipe import Encoding
from praxino.request import CAMERA, Request


@pytest.fixture
def steered(toy):
    """Resolve for the toy with more steering."""

    def resolved(*steering, **wish):
        variant = dataclasses.replace(toy.variant, steering=(*toy.variant.steering, *steering))
        entry = dataclasses.replace(toy.entry, variant=variant)
        return resolve(Request(**{"prompt": "a cat", **wish}), find=lambda name: entry, machine=Machine("cpu"))

    return resolved


def test_a_motion_is_drawn_at_the_size_and_pace_of_the_clip(steered, tmp_path):
    recipe = steered("motion-template", motion_template="walk", seconds=2).recipe
    (condition,) = recipe.conditions
    assert (condition.role, condition.media.source) == ("motion", "walk")
    assert np.array_equal(media.load(condition.media), render(find("walk"), 17, 8, 128, 64))
    (tmp_path / "own.json").write_text(to_json(find("walk")))
    own = steered("motion-template", motion_template=str(tmp_path / "own.json"), seconds=2).recipe
    assert own.conditions[0].media.sha256 == condition.media.sha256


def test_a_clip_of_poses_is_taken_as_it_is_at_its_own_pace(steered, tmp_path):
    poses = render(find("wave"), 6, 4, 32, 48)
    path = media.save([poses], tmp_path / "p.png", Encoding("png", 0, "good", 90, "none", False, False), 4, None)
    recipe = steered("motion-template", motion_template=str(path)).recipe
    given = media.load(recipe.conditions[0].media)
    assert np.array_equal(given[:12], np.repeat(poses, 2, axis=0))
    assert np.array_equal(given[12:], np.repeat(poses[5:], 5, axis=0))


def test_a_name_that_is_no_motion_is_refused_with_the_nearest(steered, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="there is no motion 'wavve'; did you mean wave"):
        steered("motion-template", motion_template="wavve")
    with pytest.raises(UserError, match=r"there is no file wave\.mp4"):
        steered("motion-template", motion_template="wave.mp4")


def test_the_clips_size_is_its_own(steered):
    assert steered("motion-template", motion_template="walk").recipe.width == 128


def test_every_word_of_the_camera_has_a_phrase():
    assert tuple(PHRASES) == CAMERA


def test_the_camera_is_moved_by_the_prompt_or_by_the_model(steered):
    told = steered(camera=("pan-left", "zoom-in"))
    assert told.recipe.caption == "a cat. The camera pans left, the camera zooms in."
    assert told.recipe.prompt == "a cat"
    assert "the prompt also says: the camera pans left, the camera zooms in" in told.notes
    assert steered("camera", camera=("pan-left",)).recipe.caption == "a cat"
    assert steered(prompt="a cat sleeps.", camera=("static",)).recipe.caption == "a cat sleeps. The camera is static."


def test_a_model_of_few_words_is_not_told_of_the_camera():
    with pytest.raises(UserError, match="pocket reads only the words it knows, and none of the camera's"):
        resolve(Request("a rocket", camera=("zoom-in",)))


def test_a_model_that_follows_poses_is_given_the_motion_as_their_map(toy, steered):
    seen = []
    plan = toy.plan
    toy.plan = lambda request, *rest: (seen.append(request.control), plan(request, *rest))[1]
    recipe = steered("control:pose", motion_template="walk").recipe
    assert seen == [("pose-map=walk",)]
    assert [(c.role, c.strength) for c in recipe.conditions] == [("control:pose", 1.0)]
    with pytest.raises(UserError, match="leave --controlnet out"):
        with_pose_control(Request(motion_template="walk", control=("canny=a.png",), controlnet=("x",)), toy.variant)

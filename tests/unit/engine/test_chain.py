"""Clips drawn in pieces, and clips that are extended: every frame once, in order, whatever happens on the way."""

import dataclasses

import numpy as np
import pytest

from praxino import media
from praxino.engine.drawn import Drawn
from praxino.engine.machine import Machine
from praxino.engine.output import read_recipe, save_clips
from praxino.engine.pieces import pictures_of, recipe_of
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.errors import Cancelled, UserError
from praxino.families import LoopState
from praxino.media.sound import Sound
from praxino.recipe import Condition, Encoding, Media, Pieces
from praxino.request import Request

RATE = 800


class Counting:
    """Draws frames whose brightness counts them, from what it is given on; its sound counts too, in 1/1000."""

    def __init__(self, toy):
        self.toy = toy
        self.drawn = 0

    def __getattr__(self, name):
        return getattr(self.toy, name)

    def denoise(self, recipe, parts, pictures, seed, state=None):
        import torch

        state = state or LoopState(0, {"latents": torch.tensor(self._first(recipe, pictures))})
        yield state
        while state.step < recipe.steps:
            self.drawn += 1
            state = LoopState(state.step + 1, state.tensors)
            yield state

    def _first(self, recipe, pictures):
        """The number of the first frame: that of a given one, as many frames earlier as it stands."""
        for condition, picture in zip(recipe.conditions, pictures, strict=True):
            if condition.role == "frame":
                return float(picture[0, 0, 0, 0]) - condition.frame
        return 0.0

    def decode(self, recipe, parts, state):
        numbers = state.tensors["latents"].item() + np.arange(recipe.num_frames)
        frames = np.broadcast_to(numbers[:, None, None, None], (len(numbers), recipe.height, recipe.width, 3))
        return np.ascontiguousarray(frames.astype(np.uint8))

    def sound(self, recipe, parts, state):
        first = state.tensors["latents"].item() * RATE / recipe.fps
        return ((first + np.arange(round(recipe.num_frames * RATE / recipe.fps))) / 1e4)[None].astype(np.float32), RATE


@pytest.fixture
def counting(toy, monkeypatch):
    family = Counting(toy)
    variant = dataclasses.replace(toy.variant, steering=(*toy.variant.steering, "sound"), width=32, height=32)
    family.entry = dataclasses.replace(toy.entry, family=family, variant=variant)
    monkeypatch.setattr("praxino.weights.catalog.find", lambda name: family.entry)
    return family


def resolved(family, output=None, **fields):
    return resolve(Request("x", **fields), output=output, find=lambda name: family.entry, machine=Machine("cpu"))


def numbers(frames):
    return frames[:, 0, 0, 0].tolist()


def ignore(event):
    pass


FRAMES = np.ascontiguousarray(
    np.broadcast_to(np.arange(100, 120, dtype=np.uint8)[:, None, None, None], (20, 34, 36, 3))
)


@pytest.fixture
def clip(tmp_path):
    """Twenty frames at 8 fps, counted from 100, of a size off the grid; kept exactly."""
    return media.save([FRAMES], tmp_path / "clip.png", Encoding("png", 0, "good", 90, "none", False, False), 8, None)


@pytest.fixture
def film(tmp_path):
    """The same as a film, with two seconds of sound."""
    sound = Sound(np.sin(np.arange(2 * 8000) / 3, dtype=np.float32)[None] * 0.5, 8000)
    encoding = Encoding("mp4", 0, "good", 100, "h264", False, False)
    return media.save([FRAMES], tmp_path / "film.mp4", encoding, 8, None, sound)


def test_a_long_clip_is_drawn_in_pieces(counting):
    recipe = resolved(counting, seconds=25, seed=1).recipe
    assert recipe.pieces == Pieces(81, 3, 17)
    assert (recipe.num_frames, recipe.drawn.span) == (200, 209)
    events = []
    (drawn,) = draw(recipe, events.append)
    assert numbers(drawn.frames) == list(range(200))
    denoised = [event for event in events if event.stage == "denoise"]
    assert [event.step for event in denoised] == list(range(1, 13))
    assert {event.num_steps for event in denoised} == {12}
    assert [event.step for event in events if event.stage == "decode"] == [1, 2, 3]


def test_its_sound_is_in_one_piece(counting):
    (drawn,) = draw(resolved(counting, seconds=25, seed=1).recipe, ignore)
    assert drawn.sound.samples.shape == (1, 25 * RATE)
    assert np.allclose(drawn.sound.samples[0], np.arange(25 * RATE) / 1e4, atol=1e-6)
    (quiet,) = draw(resolved(counting, seconds=2, sound=False).recipe, ignore)
    assert quiet.sound is None


@pytest.mark.parametrize("stop_at", [2, 4, 5, 9, 11])
def test_a_killed_chain_goes_on_in_its_piece(counting, tmp_path, monkeypatch, stop_at):
    monkeypatch.setenv("PRAXINO_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr("praxino.engine.checkpoint._COST_SHARE", 1e9)
    recipe = resolved(counting, seconds=25, seed=1).recipe
    (straight,) = draw(recipe, ignore)
    seen = []

    def stop(event):
        seen.append(event)
        if len([e for e in seen if e.stage == "denoise"]) == stop_at:
            raise Cancelled

    with pytest.raises(Cancelled):
        draw(recipe, stop, checkpoint=tmp_path / "state")
    counting.drawn = 0
    (resumed,) = draw(recipe, ignore, checkpoint=tmp_path / "state")
    assert counting.drawn == 12 - stop_at
    assert np.array_equal(straight.frames, resumed.frames)
    assert np.array_equal(straight.sound.samples, resumed.sound.samples)


def test_a_chain_replays_from_its_file(counting, tmp_path):
    recipe = resolved(counting, tmp_path / "a.mp4", seconds=25, seed=1).recipe
    (one,) = save_clips(draw(recipe, ignore), recipe, tmp_path / "a.mp4")
    again = read_recipe(one)
    assert again == recipe
    (other,) = save_clips(draw(again, ignore), again, tmp_path / "b.mp4")
    assert one.read_bytes() == other.read_bytes()


def test_pieces_have_other_noise_and_their_own_conditions(counting):
    picture = Media("p", "", "")
    conditions = (
        Condition(0, 1.0, picture), Condition(40, 0.5, picture), Condition(100, 1.0, picture),
        Condition(0, 1.0, picture, "reference"), Condition(0, 1.0, picture, "control:pose"),
    )  # fmt: skip
    recipe = dataclasses.replace(resolved(counting, seconds=25, seed=1).recipe, conditions=conditions)
    assert [c.frame for c in recipe_of(recipe, 0).conditions if c.role == "frame"] == [0, 40]
    second = recipe_of(recipe, 1)
    assert [(c.frame, c.role) for c in second.conditions] == [
        (0, "frame"), (100 - 64, "frame"), (0, "reference"), (0, "control:pose")
    ]  # fmt: skip
    assert second.task == "video-to-video" and second.num_frames == 81
    assert len({recipe_of(recipe, i).seed for i in range(3)}) == 3
    clips = [
        np.full((1, 2, 2, 3), 9),
        *[np.full((1, 2, 2, 3), i) for i in range(3)],
        np.arange(209)[:, None, None, None],
    ]
    given = pictures_of(recipe, 1, clips, np.arange(81)[:, None, None, None])
    assert numbers(given[0]) == list(range(64, 81))
    assert numbers(given[-1]) == list(range(64, 64 + 81))
    backward = dataclasses.replace(recipe, pieces=dataclasses.replace(recipe.pieces, backward=True))
    assert [(c.frame, c.role) for c in recipe_of(backward, 2).conditions][:3] == [
        (0, "frame"), (40, "frame"), (64, "frame")
    ]  # fmt: skip


def test_what_is_planned_otherwise_is_not_chained(counting):
    plan = counting.toy.plan
    counting.plan = lambda request, variant, shape, task: dataclasses.replace(
        plan(request, variant, shape, task), options={"task": task}
    )
    with pytest.raises(UserError, match="begin with a picture"):
        resolved(counting, seconds=25)


def test_a_last_picture_stays_the_last(counting, tmp_path):
    from PIL import Image

    Image.new("RGB", (32, 32), (16, 16, 16)).save(tmp_path / "last.png")
    recipe = resolved(counting, seconds=14 / 8, last=str(tmp_path / "last.png")).recipe
    assert (recipe.num_frames, recipe.drawn.num_frames, recipe.drawn.trim) == (14, 17, "evenly")
    assert recipe.conditions[0].frame == 16
    (drawn,) = draw(recipe, ignore)
    assert numbers(drawn.frames)[0] == 0 and numbers(drawn.frames)[-1] == 16


@pytest.mark.parametrize("seconds", [1, 2.5, 25])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_clip_is_extended_and_stays_as_it_is(counting, clip, direction, seconds):
    source, _ = media.read_clip(clip)
    assert numbers(source) == list(range(100, 120))
    recipe = resolved(counting, video=str(clip), extend=direction, join=True, seconds=seconds, sound=False).recipe
    assert recipe.fps == 8
    new = round(seconds * 8)
    assert recipe.num_frames == 20 + new
    (drawn,) = draw(recipe, ignore)
    first = 100 if direction == "forward" else 100 - new
    assert numbers(drawn.frames) == [number % 256 for number in range(first, first + 20 + new)]
    kept = drawn.frames[:20] if direction == "forward" else drawn.frames[-20:]
    assert np.array_equal(kept, source)
    assert drawn.sound is None


def test_a_clip_is_extended_from_its_last_picture_where_no_more_is_taken(counting, clip):
    variant = dataclasses.replace(counting.entry.variant, steering=(), tasks=("image-to-video",))
    counting.entry = dataclasses.replace(counting.entry, variant=variant)
    recipe = resolved(counting, video=str(clip), extend="forward", join=True, seconds=25).recipe
    assert recipe.task == "image-to-video" and recipe.extends[0].overlap == 1
    (drawn,) = draw(recipe, ignore)
    assert numbers(drawn.frames) == [number % 256 for number in range(100, 320)]
    with pytest.raises(UserError, match="last-frame"):
        resolved(counting, video=str(clip), extend="backward", join=True)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_an_extended_clip_keeps_its_sound_and_goes_on_with_what_is_drawn(counting, film, direction):
    original = media.read_sound(film)
    wish = dict(video=str(film), extend=direction, join=True, seconds=2, format="mp4")
    recipe = resolved(counting, **wish).recipe
    assert recipe.sound == "drawn"
    (drawn,) = draw(recipe, ignore)
    assert drawn.sound.seconds == pytest.approx(4.5)
    quiet = dataclasses.replace(counting.entry.variant, steering=("extend",))
    counting.entry = dataclasses.replace(counting.entry, variant=quiet)
    kept = resolved(counting, **wish).recipe
    assert kept.sound == "kept"
    (drawn,) = draw(kept, ignore)
    begins = 0 if direction == "forward" else 2
    assert np.array_equal(drawn.sound.part(begins, 2).samples, original.part(0, 2).samples)
    silent = drawn.sound.part(2.5 if direction == "forward" else 0, 2)
    assert not silent.samples.any()


def song(path, seconds, codec="pcm_s16le", rate=8000):
    """A file with nothing but a tone."""
    import av

    samples = (np.sin(np.arange(round(seconds * rate)) / 3) * 0.5).astype(np.float32)[None]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            stream.codec_context.format, "mono", rate, stream.codec_context.frame_size or None
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.m4a", "aac")]
)
def test_a_soundtrack_is_laid_under_a_clip_in_place_of_any_other(counting, tmp_path, name, codec):
    laid = song(tmp_path / name, 4, codec)
    found = resolved(counting, seconds=2, soundtrack=str(laid), format="mp4")
    assert (found.recipe.sound, found.recipe.soundtrack[0].source) == ("laid", str(laid))
    assert "of the soundtrack, the first 2 seconds are heard" in found.notes
    (drawn,) = draw(found.recipe, ignore)
    assert np.array_equal(drawn.sound.samples, media.read_sound(laid).part(0, 2).samples)
    assert np.abs(drawn.sound.samples).max() > 0.4
    (written,) = save_clips([drawn], found.recipe, tmp_path / "film.mp4")
    heard = media.read_sound(written)
    assert heard.seconds == pytest.approx(2, abs=0.15) and np.abs(heard.samples[:, 4000:12000]).max() > 0.4


def test_a_soundtrack_that_ends_before_the_clip_is_told(counting, tmp_path, film):
    found = resolved(counting, seconds=3, soundtrack=str(film), format="mp4")
    assert "the soundtrack ends after 2 seconds; silence follows" in [note.replace("2.05", "2") for note in found.notes]
    (drawn,) = draw(found.recipe, ignore)
    assert drawn.sound.seconds == 3 and not drawn.sound.part(2.2, 0.8).samples.any()
    assert "the sound is left out, as a gif file has none" in " ".join(
        resolved(counting, seconds=3, soundtrack=str(film), format="gif").notes
    )


def test_a_clip_that_is_extended_takes_a_soundtrack_whole(counting, tmp_path, film):
    laid = song(tmp_path / "a.wav", 9)
    wish = dict(video=str(film), extend="backward", join=True, seconds=2, format="mp4", soundtrack=str(laid))
    (drawn,) = draw(resolved(counting, **wish).recipe, ignore)
    assert np.array_equal(drawn.sound.samples, media.read_sound(laid).part(0, 4.5).samples)


def test_what_a_soundtrack_cannot_be(counting, tmp_path, clip):
    with pytest.raises(UserError, match="--soundtrack: there is no file"):
        resolved(counting, seconds=2, soundtrack=str(tmp_path / "none.wav"))
    with pytest.raises(UserError, match=r"there is no sound in .*clip\.png; give a WAV"):
        resolved(counting, seconds=2, soundtrack=str(clip))
    (tmp_path / "cut.wav").write_bytes(b"RIFF1234WAVEfmt ")
    with pytest.raises(UserError, match="damaged or cut short"):
        resolved(counting, seconds=2, soundtrack=str(tmp_path / "cut.wav"))
    with pytest.raises(UserError, match="--sound and --soundtrack exclude each other"):
        resolved(counting, seconds=2, soundtrack="a.wav", sound=True)
    laid = song(tmp_path / "a.wav", 4)
    recipe = resolved(counting, seconds=2, soundtrack=str(laid), format="mp4").recipe
    song(laid, 3)
    with pytest.raises(UserError, match="gone, or no longer what the recipe was made with"):
        draw(recipe, ignore)


def test_the_source_must_be_the_same_at_a_replay(counting, clip):
    recipe = resolved(counting, video=str(clip), extend="forward", join=True, seconds=1).recipe
    other = np.zeros((20, 34, 36, 3), np.uint8)
    media.save([other], clip, Encoding("png", 0, "good", 90, "none", False, False), 8, None)
    with pytest.raises(UserError, match="no longer what the recipe was made from"):
        draw(recipe, ignore)


@pytest.mark.parametrize(
    ("wish", "message"),
    [({"fps": 12.0}, "has 8 frames per second, and keeps them"), ({"keyframes": ("a.png@3",)}, "leave it out")],
)
def test_what_an_extension_cannot_be(counting, clip, wish, message):
    with pytest.raises(UserError, match=message):
        resolved(counting, video=str(clip), extend="forward", join=True, **wish)


def test_a_sound_is_kept_through_a_checkpoint(counting, tmp_path):
    from praxino.engine.checkpoint import RunCheckpoint

    recipe = resolved(counting, seconds=2, seed=1).recipe
    saved = RunCheckpoint(tmp_path, recipe, 0)
    sound = Sound(np.linspace(-1, 1, 10, dtype=np.float32)[None], 44_100)
    saved.finish(0, Drawn(np.zeros((1, 2, 2, 3), np.uint8), sound), 2)
    found = RunCheckpoint(tmp_path, recipe, 0).finished(0, 2)
    assert (found.sound.samples == sound.samples).all() and found.sound.sample_rate == 44_100
    assert RunCheckpoint(tmp_path, recipe, 0).finished(0, 1) is None

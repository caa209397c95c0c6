"""A file that grows while its clip is decoded: the bytes of one written at once, or nothing."""

import dataclasses
import threading

import pytest

from praxino.engine.early import EarlyFile, grows
from praxino.engine.machine import Machine
from praxino.engine.output import save_clips
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.errors import Cancelled
from praxino.families import DecodesInChunks
from praxino.media import video
from praxino.recipe import Extended, Media, Pieces
from praxino.request import Request

SIZES = (1, 8, 8)
"""Frames of the chunks that the toy decodes."""


@pytest.fixture
def chunked(toy):
    """The toy model, which now decodes in chunks."""

    def decode_chunks(recipe, parts, state):
        frames, start = toy.decode(recipe, parts, state), 0
        for size in SIZES:
            yield frames[start : start + size]
            start += size

    toy.decode_chunks = decode_chunks
    assert isinstance(toy, DecodesInChunks)
    return toy


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def recipe_of(toy, format="mp4", **fields):
    return resolve(
        Request("a dog", seed=5, format=format, **fields), find=lambda name: toy.entry, machine=Machine("cpu")
    ).recipe


def ignore(event):
    pass


def in_folder(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize(("format", "codec"), [("mp4", "h264"), ("webm", "vp9"), ("mp4", "av1")])
def test_the_bytes_are_those_of_a_file_written_at_once(chunked, folder, format, codec, metadata):
    recipe = recipe_of(chunked, format, codec=codec)
    path = folder / f"early.{format}"
    with EarlyFile(path, metadata) as early:
        clips = draw(recipe, ignore, early=early)
        assert not path.exists()
        assert early.save(clips, recipe) == [path]
    (wanted,) = save_clips(draw(recipe, ignore), recipe, folder / f"whole.{format}", metadata=metadata)
    assert path.read_bytes() == wanted.read_bytes()
    assert in_folder(folder) == [path.name, wanted.name]


def test_frames_are_encoded_before_the_last_are_decoded(chunked, folder, monkeypatch):
    encoded, decode_chunks, convert = threading.Event(), chunked.decode_chunks, video._yuv

    def noted(*given):
        encoded.set()
        return convert(*given)

    def waiting(*given):
        first, *rest = decode_chunks(*given)
        yield first
        assert encoded.wait(60), "nothing was encoded while a chunk was still to come"
        yield from rest

    monkeypatch.setattr(video, "_yuv", noted)
    chunked.decode_chunks = waiting
    recipe = recipe_of(chunked)
    with EarlyFile(folder / "a.mp4", True) as early:
        early.save(draw(recipe, ignore, early=early), recipe)
    assert in_folder(folder) == ["a.mp4"]


@pytest.mark.parametrize("problem", [Cancelled("asked"), RuntimeError("damaged"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_run_that_ends_while_it_decodes(chunked, folder, problem):
    (folder / "a.mp4").write_bytes(b"before")
    decode_chunks = chunked.decode_chunks

    def ending(*given):
        yield next(decode_chunks(*given))
        raise problem

    chunked.decode_chunks = ending
    with pytest.raises(type(problem)), EarlyFile(folder / "a.mp4", True) as early:
        draw(recipe_of(chunked), ignore, early=early)
    assert in_folder(folder) == ["a.mp4"]
    assert (folder / "a.mp4").read_bytes() == b"before"
    assert not _encoding()


def test_nothing_is_left_of_a_clip_that_is_drawn_and_not_saved(chunked, folder):
    with EarlyFile(folder / "a.mp4", True) as early:
        draw(recipe_of(chunked), ignore, early=early)
    assert in_folder(folder) == []
    assert not _encoding()


def test_what_goes_wrong_while_encoding_is_raised_when_saving(chunked, folder, monkeypatch):
    def full(*given):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(video, "_yuv", full)
    recipe = recipe_of(chunked)
    with pytest.raises(OSError, match="no space"), EarlyFile(folder / "a.mp4", True) as early:
        early.save(draw(recipe, ignore, early=early), recipe)
    assert in_folder(folder) == []


def test_a_run_that_decodes_anew_begins_its_file_anew(chunked, folder):
    recipe = recipe_of(chunked)
    (clip,) = draw(recipe, ignore)
    with EarlyFile(folder / "a.mp4", True) as early:
        early.begin(recipe)(clip.frames[::-1])
        again = dataclasses.replace(recipe, plan="tiled")
        early.begin(again)(clip.frames)
        early.save([clip], again)
    (wanted,) = save_clips([clip], again, folder / "b.mp4")
    assert (folder / "a.mp4").read_bytes() == wanted.read_bytes()
    assert in_folder(folder) == ["a.mp4", "b.mp4"]


def test_what_was_begun_for_another_recipe_is_not_saved(chunked, folder):
    recipe = recipe_of(chunked)
    (clip,) = draw(recipe, ignore)
    with EarlyFile(folder / "a.mp4", True) as early:
        early.begin(dataclasses.replace(recipe, seed=6))(clip.frames[::-1])
        early.save([clip], recipe)
    (wanted,) = save_clips([clip], recipe, folder / "b.mp4")
    assert (folder / "a.mp4").read_bytes() == wanted.read_bytes()
    assert in_folder(folder) == ["a.mp4", "b.mp4"]


def test_a_checkpoint_keeps_frames_that_went_into_a_file(chunked, folder, tmp_path):
    recipe = recipe_of(chunked)
    for name in ("a.mp4", "b.mp4"):
        with EarlyFile(folder / name, True) as early:
            early.save(draw(recipe, ignore, checkpoint=tmp_path / "state", early=early), recipe)
    assert (folder / "a.mp4").read_bytes() == (folder / "b.mp4").read_bytes()
    assert chunked.steps_done == recipe.steps


def test_what_a_file_needs_all_frames_for_is_written_at_the_end(chunked, folder):
    recipe = recipe_of(chunked)
    assert grows(recipe)
    encoding = recipe.encoding
    others = [
        *(
            dataclasses.replace(recipe, encoding=dataclasses.replace(encoding, format=f))
            for f in ("gif", "webp", "png")
        ),
        dataclasses.replace(recipe, encoding=dataclasses.replace(encoding, sheet=True)),
        dataclasses.replace(recipe, n=2),
        dataclasses.replace(recipe, sound="drawn"),
        dataclasses.replace(recipe, pieces=Pieces(2, 17, 1)),
        dataclasses.replace(recipe, num_frames=13, pieces=Pieces(1, 17)),
        dataclasses.replace(recipe, extends=(Extended(Media("a.mp4", "", ""), 9, 1),)),
    ]
    assert not any(map(grows, others))
    gif = recipe_of(chunked, "gif")
    with EarlyFile(folder / "a.gif", True) as early:
        assert early.begin(gif) is None
        assert early.save(draw(gif, ignore, early=early), gif) == [folder / "a.gif"]
    assert in_folder(folder) == ["a.gif"]


def _encoding():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]

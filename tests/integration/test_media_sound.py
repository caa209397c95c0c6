"""Sound in and out of films: what is written is heard again; what a clip had, it keeps."""

import av
import numpy as np
import pytest

from praxino import media
from praxino.engine.machine import Machine
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.errors import UserError
from praxino.families import families
from praxino.media.sound import Sound, in_a_row
from praxino.recipe import Encoding
from praxino.request import Request

FILMS = [("a.mp4", "h264"), ("a.webm", "vp9")]


def tone(hertz, seconds, rate=24_000, channels=1):
    """A tone at half the loudest, the second channel an octave higher."""
    times = np.arange(round(seconds * rate)) / rate
    waves = [0.5 * np.sin(2 * np.pi * hertz * (channel + 1) * times) for channel in range(channels)]
    return Sound(np.stack(waves).astype(np.float32), rate)


def pitch(samples, rate):
    """The loudest frequency, in Hz."""
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * rate / len(samples)


def film(path, codec, sound, num_frames=16, fps=8):
    frames = np.zeros((num_frames, 32, 32, 3), np.uint8)
    encoding = Encoding(media.format_of(path), 0, "good", 90, codec, False, False)
    return media.save([frames], path, encoding, fps, None, sound)


@pytest.mark.parametrize(("name", "codec"), FILMS)
@pytest.mark.parametrize(("rate", "channels"), [(24_000, 1), (44_100, 2), (16_000, 2), (96_000, 1)])
def test_what_is_written_is_heard(name, codec, rate, channels, tmp_path):
    path = film(tmp_path / name, codec, tone(440, 2, rate, channels))
    heard = media.read_sound(path)
    assert len(heard.samples) == channels
    assert heard.seconds == pytest.approx(2, abs=0.05)
    for channel, wave in enumerate(heard.part(0.5, 1).samples):
        assert pitch(wave, heard.sample_rate) == pytest.approx(440 * (channel + 1), abs=2)
        assert wave.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == {"mp4": "aac", "webm": "opus"}[name[2:]]
    assert len(media.read_clip(path)[0]) == 16


@pytest.mark.parametrize(("name", "codec"), FILMS)
def test_sound_begins_with_the_pictures(name, codec, tmp_path):
    silence = Sound(np.zeros((1, 24_000), np.float32), 24_000)
    heard = media.read_sound(film(tmp_path / name, codec, in_a_row([silence, tone(440, 1)])))
    loud = np.abs(heard.samples[0]) > 0.1
    assert loud.argmax() / heard.sample_rate == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("name", "codec"), FILMS)
def test_the_same_sound_is_the_same_bytes(name, codec, tmp_path):
    one, other = (film(tmp_path / f"{n}{name}", codec, tone(440, 2)).read_bytes() for n in "ab")
    assert one == other


def test_sound_and_pictures_lie_side_by_side(tmp_path):
    with av.open(str(film(tmp_path / "a.mp4", "h264", tone(440, 8), 64))) as container:
        kinds = [packet.stream.type for packet in container.demux() if packet.size]
    assert "audio" in kinds[: len(kinds) // 3] and "video" in kinds[-len(kinds) // 3 :]


def test_formats_without_sound_leave_it_out(tmp_path):
    path = media.save(
        [np.zeros((4, 32, 32, 3), np.uint8)], tmp_path / "a.gif", Encoding("gif", 0, "good", 90, "none", False, False),
        8, None, tone(440, 1),
    )  # fmt: skip
    assert media.read_sound(path) is None
    assert len(media.read_clip(path)[0]) == 4


def test_parts_of_sound():
    sound = Sound(np.arange(10, dtype=np.float32)[None], 10)
    assert sound.part(0.2, 0.3).samples.tolist() == [[2, 3, 4]]
    assert sound.part(-0.2, 0.4).samples.tolist() == [[0, 0, 0, 1]]
    assert sound.part(0.8, 0.5).samples.tolist() == [[8, 9, 0, 0, 0]]
    assert sound.part(-0.5, 0.2).samples.tolist() == [[0, 0]]
    assert in_a_row([sound.part(0, 0.2), sound.part(0.9, 0.1)]).samples.tolist() == [[0, 1, 9]]


def test_mixing_is_in_the_first_ones_format():
    both = media.mixed(tone(440, 1, 24_000, 2), tone(1000, 2, 48_000, 1))
    assert both.samples.shape == (2, 24_000)
    spectrum = np.abs(np.fft.rfft(both.samples[0]))
    assert {int(n) for n in np.argsort(spectrum)[-2:]} == {440, 1000}


def test_damaged_sound_is_told_or_other_sound_but_never_a_crash(tmp_path):
    path = film(tmp_path / "a.mp4", "h264", tone(440, 2))
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(10):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 8):
            broken[at] = rng.integers(256)
        path.write_bytes(broken)
        try:
            media.read_sound(path)
        except UserError as problem:
            assert len(str(problem).splitlines()) <= 3


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["hotshot-xl"].miniature(folder)
    return folder


def test_a_clip_that_is_changed_keeps_its_sound(miniature, tmp_path):
    path = film(tmp_path / "a.mp4", "h264", tone(440, 2))

    def recipe(**wish):
        fields = {"model": str(miniature), "video": str(path), "steps": 2, "frames": 16, "seed": 1, "fps": 8.0, **wish}
        return resolve(Request("a cat", **fields), machine=Machine("cpu"))

    kept = recipe(format="mp4")
    assert kept.recipe.sound == "kept" and "the clip's own sound is kept" in kept.notes
    (drawn,) = draw(kept.recipe, lambda event: None)
    assert drawn.sound.seconds == pytest.approx(2)
    assert pitch(drawn.sound.samples[0], drawn.sound.sample_rate) == pytest.approx(440, abs=2)
    assert any("a gif file has none" in note for note in recipe().notes)
    assert recipe(sound=False).recipe.sound == "none"
    assert recipe(fps=12.0).recipe.sound == recipe(frames=8).recipe.sound == "kept"
    own = recipe(frames=None, fps=None)
    assert (own.recipe.num_frames, own.recipe.fps, own.recipe.sound) == (16, 8, "kept")
    film(path, "h264", tone(440, 5), 40)
    cut = recipe(frames=None, fps=None)
    assert (cut.recipe.num_frames, cut.recipe.sound) == (24, "kept")
    assert any(note.endswith("a.mp4: the first 3 of its 5 seconds") for note in cut.notes)
    with pytest.raises(UserError, match="changes at most 24 frames of a clip"):
        recipe(frames=None, seconds=5.0)

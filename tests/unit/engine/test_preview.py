import numpy as np
import pytest
from PIL import Image

from praxino.engine import preview
from praxino.engine.preview import PreviewFile
from praxino.events import StepEvent


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(preview.time, "monotonic", lambda: Clock.now)
    return Clock


def event(colour, cost=lambda: None):
    def draw():
        cost()
        return np.full((4, 6, 3), colour, np.uint8)

    return StepEvent("denoise", 1, 8, 1.0, preview=draw)


def test_the_newest_is_kept_once_a_second(tmp_path, clock):
    path, drawn = tmp_path / "preview.png", []
    kept = PreviewFile(path)
    for seconds, colour in ((0, 10), (0.5, 20), (0.6, 30)):
        clock.now += seconds
        kept.show(event(colour, lambda colour=colour: drawn.append(colour)))
    assert drawn == [10, 30]
    with Image.open(path) as picture:
        assert (picture.size, picture.getpixel((0, 0))) == ((6, 4), (30, 30, 30))
    assert [file.name for file in tmp_path.iterdir()] == ["preview.png"]


def test_dear_previews_are_rare(tmp_path, clock):
    drawn = []

    def cost():
        clock.now += 0.5
        drawn.append(clock.now)

    kept = PreviewFile(tmp_path / "preview.png")
    for _ in range(600):
        kept.show(event(1, cost))
        clock.now += 0.1
    assert len(drawn) * 0.5 <= 600 * 0.1 * preview.SHARE + 1


def test_steps_without_a_preview_and_full_disks_are_nothing(tmp_path):
    PreviewFile(tmp_path / "preview.png").show(StepEvent("load", 1, 1, 1.0))
    PreviewFile(tmp_path / "no" / "preview.png").show(event(1))
    assert list(tmp_path.iterdir()) == []

"""A tiny model, a folder of clips, and runs over them."""

import numpy as np
import pytest

from praxino import media
from praxino.families import families
from praxino.recipe import Encoding
from praxino.training.tuning.run import Run, train
from praxino.training.tuning.settings import Tuning

FRAMES = 9


@pytest.fixture(autouse=True)
def _float32(monkeypatch):
    """Arithmetic in float32 on every machine."""
    monkeypatch.setattr("praxino.training.loop.bf16_is_fast", lambda device: False)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["ltx-video"].miniature(folder)
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Five clips of a square that moves, and a picture."""
    folder = tmp_path_factory.mktemp("data") / "clips"
    folder.mkdir()
    for number in range(5):
        save_clip(folder / f"clip-{number}.webp", square(number))
        (folder / f"clip-{number}.txt").write_text(f"a square that goes {'left' if number % 2 else 'right'}")
    save_clip(folder / "still.png", square(7)[:1])
    (folder / "still.txt").write_text("a square that rests")
    return folder


def square(seed):
    rng = np.random.default_rng(seed)
    frames = np.full((FRAMES, 64, 64, 3), rng.integers(0, 256, 3), np.uint8)
    colour, step = rng.integers(0, 256, 3), 3 if seed % 2 else -3
    for number, frame in enumerate(frames):
        left = 24 + step * (number - FRAMES // 2)
        frame[20:44, left : left + 24] = colour
    return frames


def save_clip(path, frames, fps=None):
    encoding = Encoding(path.suffix[1:], 0, "best", 100, "none", False, False)
    return media.save([frames], path, encoding, fps or 8.0, None)


@pytest.fixture
def tune(tiny, clips, tmp_path):
    """Trains; gives the run's folder. What is not said is the same each time."""

    def run(out="run", *, resume=False, stop_after=None, on_event=None, **wish):
        settings = {"data": str(clips), "model": str(tiny), "steps": 6, "rank": 4, "alpha": 8, "size": "64x64",
                    "learning_rate": 1e-2, "warmup": 2, "batch": 2, "sample_every": 0, "seed": 5}  # fmt: skip
        tuning = Tuning(out=str(tmp_path / out), **{**settings, **wish})
        asked = []

        def stopped():
            asked.append(1)
            return stop_after is not None and len(asked) >= stop_after

        return train(Run(tuning, resume, on_event=on_event or (lambda line: None), stopped=stopped))

    return run

"""A data folder made of a dataset, by the library that wrote it."""

import io

import numpy as np
import pytest
from PIL import Image

from praxino import media
from praxino.errors import UserError
from praxino.recipe import Encoding
from praxino.training.tuning.clips import find
from praxino.training.tuning.from_dataset import Columns, write

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def png(seed):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def saved(tmp_path):
    """Two pictures with captions, as `save_to_disk` and as parquet."""
    rows = {
        "picture": [{"bytes": png(n), "path": None} for n in range(2)],
        "text": ["one", "two"],
        "said": [["a", "b"]] * 2,
    }
    features = datasets.Features(
        {"picture": datasets.Image(), "text": datasets.Value("string"), "said": datasets.List(datasets.Value("string"))}
    )
    rows = datasets.Dataset.from_dict(rows, features)
    rows.save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "parquet").mkdir()
    rows.to_parquet(str(tmp_path / "parquet" / "train.parquet"))
    return tmp_path


@pytest.mark.parametrize("kind", ["saved", "parquet"])
def test_pictures_come_as_their_very_bytes(saved, kind):
    assert write(str(saved / kind), "train", Columns(), saved / "out") == 2
    assert sorted(file.name for file in (saved / "out").iterdir()) == [
        "000000.png", "000000.txt", "000001.png", "000001.txt"
    ]  # fmt: skip
    assert [(saved / "out" / f"00000{n}.png").read_bytes() for n in range(2)] == [png(0), png(1)]
    assert [clip.caption for clip in find(saved / "out").clips] == ["one", "two"]
    write(str(saved / kind), "train", Columns(captions="said"), saved / "other")
    assert [clip.caption for clip in find(saved / "other").clips] == ["a", "a"]


def test_a_folder_of_videos_with_its_metadata(tmp_path):
    """`load_dataset` of a folder of clips, as the Hub's videofolder is."""
    data = tmp_path / "clips"
    data.mkdir()
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    encoding = Encoding("mp4", 0, "best", 90, "h264", grid=False, sheet=False)
    media.save([frames], data / "one.mp4", encoding, 8.0, None)
    (data / "metadata.jsonl").write_text('{"file_name": "one.mp4", "text": "noise"}\n')
    write(str(data), "train", Columns(), tmp_path / "out")
    assert (tmp_path / "out" / "000000.mp4").read_bytes() == (data / "one.mp4").read_bytes()
    (clip,) = find(tmp_path / "out").clips
    assert clip.caption == "noise" and clip.read()[0].shape == (5, 32, 32, 3)


@pytest.mark.parametrize(
    ("columns", "split", "said"),
    [
        (Columns(media="text"), "train", "'text' is no column of pictures or videos; those are: picture"),
        (Columns(captions="words"), "train", "there is no column 'words' of captions among picture, text, said"),
        (Columns(), "test", "split test, cannot be read"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_written(saved, columns, split, said):
    with pytest.raises(UserError, match=said):
        write(str(saved / "parquet"), split, columns, saved / "out")
    assert not (saved / "out").exists()

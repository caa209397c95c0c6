import json
from pathlib import Path

import pytest

from praxino.errors import ModelError
from praxino.families._spiece import read_spiece
from praxino.families.ltx_video.text import Tokenizer

FOLDER = Path(__file__).parents[2] / "reference" / "spiece"
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("given", EXPECTED, ids=lambda given: given["text"][:20])
def test_a_sentencepiece_file_gives_sentencepieces_ids(given):
    assert read_spiece(FOLDER / "spiece.model").encode(given["text"]).ids == given["ids"]


def test_texts_are_padded_and_cut_with_their_end():
    tokenizer = Tokenizer(FOLDER)
    ids, mask = tokenizer("a red cat", 8)
    assert ids.shape == mask.shape == (1, 8)
    kept = int(mask.sum())
    assert ids[0, kept - 1] == 1 and ids[0, kept:].tolist() == [0] * (8 - kept)
    cut, mask = tokenizer("a red cat running on the big blue house", 4)
    assert cut[0, :3].tolist() == ids[0, :3].tolist() and cut[0, 3] == 1 and mask.sum() == 4


@pytest.mark.parametrize("length", [0, 1, 10, 1000, 240_000])
def test_a_cut_file_is_a_model_error(tmp_path, length):
    path = tmp_path / "spiece.model"
    path.write_bytes((FOLDER / "spiece.model").read_bytes()[:length])
    with pytest.raises(ModelError, match="not a readable"):
        read_spiece(path)


@pytest.mark.parametrize(
    ("name", "complaint"), [("tokenizer.json", "not a readable"), ("spiece.model", "not a readable"), ("x", "neither")]
)
def test_what_is_no_tokenizer_is_a_model_error(tmp_path, name, complaint):
    (tmp_path / name).write_text("nothing")
    with pytest.raises(ModelError, match=complaint):
        Tokenizer(tmp_path)

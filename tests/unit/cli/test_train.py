import sys
import types

import pytest


@pytest.fixture
def trainer(monkeypatch):
    """Stands for the trainer; tells what it was called with."""
    calls = []

    def train(minutes, out, *, seed, resume, device, on_event):
        calls.append((minutes, out, seed, resume, device))
        on_event("step 1")
        return out / "pocket"

    module = types.ModuleType("praxino.training.pocket")
    module.train = train
    monkeypatch.setitem(sys.modules, "praxino.training.pocket", module)
    return calls


def test_train(praxino, trainer, tmp_path):
    said = praxino("train", "pocket", "--minutes", "1.5", "--out", str(tmp_path), "--seed", "3")
    assert said.code == 0
    assert trainer == [(1.5, tmp_path, 3, False, None)]
    assert said.err.startswith("step 1\nwrote ")


def test_cancelling_says_how_to_go_on(praxino, trainer, monkeypatch, tmp_path):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["praxino.training.pocket"], "train", interrupted)
    said = praxino("train", "pocket", "--minutes", "1", "--out", str(tmp_path))
    assert (said.code, "--resume goes on" in said.err) == (130, True)


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "soon"])
def test_a_bad_length_is_refused(praxino, trainer, tmp_path, minutes):
    said = praxino("train", "pocket", "--minutes", minutes, "--out", str(tmp_path))
    assert (said.code, said.err.startswith("praxino: --minutes ")) == (2, True)
    assert trainer == []


def test_a_full_folder_is_not_trained_over(praxino, trainer, tmp_path):
    (tmp_path / "mine").write_text("x", encoding="utf-8")
    args = ("train", "pocket", "--minutes", "1", "--out", str(tmp_path))
    assert praxino(*args).code == 2
    assert trainer == []
    assert praxino(*args, "--resume").code == 0


def test_a_package_that_only_training_needs(praxino, monkeypatch, tmp_path):
    def missing(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'emoji'", name="emoji")

    module = types.ModuleType("praxino.training.pocket")
    module.train = missing
    monkeypatch.setitem(sys.modules, "praxino.training.pocket", module)
    said = praxino("train", "pocket", "--minutes", "1", "--out", str(tmp_path))
    assert said == (2, "", "praxino: training needs the package emoji; run: pip install emoji\n")

"""Which networks stay: real ones of 4 kB each, and budgets around that."""

import pytest
import torch

from praxino.accel.memory import Memory
from praxino.engine import loaded
from praxino.engine.loaded import Key

SIZE = 4096


@pytest.fixture(autouse=True)
def _nothing_loaded():
    loaded.forget()
    yield
    loaded.forget()


@pytest.fixture
def reads():
    return []


def use(name, reads, home="cpu"):
    def load():
        reads.append(name)
        return [torch.nn.Linear(32, 32, bias=False)]

    key = Key(name, "r", "float32", home, in_float8=False)
    parts = loaded.take(key, name, load, SIZE)
    loaded.measure(key)
    return parts


def test_within_the_budget_nothing_is_read_twice(reads, monkeypatch):
    monkeypatch.setenv("PRAXINO_MEMORY_BUDGET", "9kB")
    first = use("a", reads)
    use("b", reads)
    assert use("a", reads) is first
    assert (reads, loaded.models()) == (["a", "b"], ("b", "a"))


def test_what_was_not_used_for_longest_goes_first(reads, monkeypatch):
    monkeypatch.setenv("PRAXINO_MEMORY_BUDGET", "9kB")
    for name in ("a", "b", "a", "c", "a", "b"):
        use(name, reads)
    assert reads == ["a", "b", "c", "b"]
    assert loaded.models() == ("a", "b")


def test_the_one_in_use_stays_whatever_the_budget(reads, monkeypatch):
    monkeypatch.setenv("PRAXINO_MEMORY_BUDGET", "0MB")
    use("a", reads), use("a", reads), use("b", reads)
    assert (reads, loaded.models()) == (["a", "b"], ("b",))


def test_each_device_has_a_budget(reads, monkeypatch):
    monkeypatch.setenv("PRAXINO_MEMORY_BUDGET", "5kB")
    use("a", reads), use("b", reads, "cuda")
    assert loaded.models() == ("a", "b")


def test_by_default_half_of_the_memory(reads, monkeypatch):
    monkeypatch.setattr(loaded, "memory_of", lambda device: Memory(10**9, 4 * SIZE, 10**9, has_own=False))
    use("a", reads), use("b", reads), use("c", reads)
    assert loaded.models() == ("b", "c")
    monkeypatch.setattr(loaded, "memory_of", lambda device: Memory(None, None, None, has_own=True))
    use("d", reads)
    assert loaded.models() == ("d",), "of an unknown amount, one model is kept"


def test_a_run_makes_room_for_itself(reads, monkeypatch):
    """4,000 bytes are free: 4,096 more are had by letting one go, and the run's own count as had."""
    monkeypatch.setenv("PRAXINO_MEMORY_BUDGET", "1GB")
    monkeypatch.setattr(loaded, "memory_of", lambda device: Memory(4000, 10**9, 4000, has_own=False))
    for name in ("a", "b", "c"):
        use(name, reads)
    own = Key("c", "r", "float32", "cpu", in_float8=False)
    loaded.make_room("cpu", SIZE + 4000, own)
    assert loaded.models() == ("a", "b", "c")
    loaded.make_room("cpu", SIZE + 4001, own)
    assert loaded.models() == ("b", "c")
    loaded.make_room("cpu", 10**9, own)
    assert loaded.models() == ("c",)

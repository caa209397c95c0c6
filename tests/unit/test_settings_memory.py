import pytest

from praxino.errors import UserError
from praxino.settings import memory_budget_bytes


@pytest.mark.parametrize(
    ("text", "num_bytes"), [("", None), ("12GB", 12 * 10**9), ("1.5 GB", 15 * 10**8), ("0MB", 0), ("3kB", 3000)]
)
def test_amounts_of_memory(monkeypatch, text, num_bytes):
    monkeypatch.setenv("PRAXINO_MEMORY_BUDGET", text)
    assert memory_budget_bytes() == num_bytes


@pytest.mark.parametrize("text", ["12", "GB", "-1GB", "1e9GB", "12 gigabytes"])
def test_what_is_no_amount(monkeypatch, text):
    monkeypatch.setenv("PRAXINO_MEMORY_BUDGET", text)
    with pytest.raises(UserError, match="PRAXINO_MEMORY_BUDGET"):
        memory_budget_bytes()

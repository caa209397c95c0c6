"""Every test runs with an empty PRAXINO_HOME of its own and on the CPU; generated examples are the same every time."""

import pytest
from hypothesis import settings

settings.register_profile("praxino", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("praxino")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PRAXINO_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("PRAXINO_DEVICE", "cpu")

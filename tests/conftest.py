"""Every test runs with an empty PRAXINO_HOME and Hub cache of its own and on the CPU; examples are always the same."""

import pytest
from hypothesis import settings

settings.register_profile("praxino", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("praxino")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PRAXINO_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
    monkeypatch.setenv("PRAXINO_DEVICE", "cpu")

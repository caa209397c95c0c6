"""Every test runs with an empty PRAXINO_HOME and Hub cache of its own and on the CPU; examples are always the same.

Several processes may share the suite (pytest-xdist): a file stays together, since its tests share what they make, but
for the contract suite, which is dealt out by family.
"""

import os

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: the processes are as many as the cores

settings.register_profile("praxino", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("praxino")


def pytest_collection_modifyitems(items):
    for item in items:
        group = item.path.name
        if group == "test_families.py" and hasattr(item, "callspec"):
            group += str(item.callspec.params.get("name", ""))
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PRAXINO_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
    monkeypatch.setenv("PRAXINO_DEVICE", "cpu")

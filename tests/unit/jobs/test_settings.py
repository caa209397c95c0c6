from pathlib import Path

import pytest

from praxino import settings
from praxino.errors import UserError


def test_the_queue_is_in_the_home_unless_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PRAXINO_HOME", str(tmp_path))
    for name in ("PRAXINO_DATABASE", "PRAXINO_RESULTS"):
        monkeypatch.delenv(name, raising=False)
    assert settings.database_url() == f"sqlite:///{tmp_path}/jobs.sqlite"
    assert settings.results_folder() == tmp_path / "jobs"
    monkeypatch.setenv("PRAXINO_DATABASE", "postgresql://box/jobs")
    monkeypatch.setenv("PRAXINO_RESULTS", "~/shared")
    assert settings.database_url() == "postgresql://box/jobs"
    assert settings.results_folder() == Path.home() / "shared"


def test_jobs_are_kept_for_ever_unless_told(monkeypatch):
    monkeypatch.delenv("PRAXINO_KEEP_DAYS", raising=False)
    assert settings.keep_seconds() is None
    monkeypatch.setenv("PRAXINO_KEEP_DAYS", "0.5")
    assert settings.keep_seconds() == 43_200
    for wrong in ("soon", "-1", "nan"):
        monkeypatch.setenv("PRAXINO_KEEP_DAYS", wrong)
        with pytest.raises(UserError, match=f"PRAXINO_KEEP_DAYS is '{wrong}'"):
            settings.keep_seconds()

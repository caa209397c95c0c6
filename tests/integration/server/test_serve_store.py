"""Results in a store that fsspec reaches: two machines that share nothing else."""

import sys

import pytest

from praxino.errors import UserError
from praxino.jobs.janitor import sweep
from praxino.jobs.job import JobState, Submission, WorkerInfo, new_id
from praxino.jobs.stored import StoredResults


@pytest.fixture(params=["file", "memory"])
def url(request, tmp_path):
    if request.param == "file":
        return f"file://{tmp_path / 'bucket'}"
    return f"memory://{new_id()}/praxino"


@pytest.fixture
def here(store, tmp_path, url):
    return StoredResults(tmp_path / "here", store.store_id(), url)


@pytest.fixture
def there(store, tmp_path, here, url):
    """Another machine, which has no file yet."""
    return StoredResults(tmp_path / "there", store.store_id(), url, has_results=True)


def draw(store, folder, content=b"0123456789"):
    """Draw one job into a folder."""
    store.submit(Submission({"prompt": "a"}, {}, "pocket"))
    worker = new_id()
    store.start_worker(WorkerInfo(worker, "cpu", "here", 1))
    lease = store.claim(worker).lease
    return store.complete(lease, folder.write(lease, lambda place: (place / "a.gif").write_bytes(content)))


def test_what_one_machine_drew_another_serves(store, here, there):
    job = draw(store, here)
    (file,) = job.result
    assert there.holds(file)
    assert there.path(file).read_bytes() == b"0123456789"
    assert there.path(file).is_relative_to(there.root)


def test_the_janitor_of_a_machine_without_files_loses_nothing(store, here, there):
    draw(store, here)
    assert sweep(store, there) == (swept := sweep(store, here))
    assert (swept.removed, swept.missing) == (0, 0)


def test_what_no_row_needs_goes_from_the_store_too(store, here, there):
    job = draw(store, here)
    store.delete(job.id)
    assert there.results() == [(job.id, 1)]
    assert sweep(store, there).removed == 1
    assert there.results() == []
    assert not there.holds(job.result[0])


def test_what_is_gone_from_the_store_is_told(store, here, there):
    job = draw(store, here)
    here.remove_result(job.id, 1)
    assert sweep(store, there).missing == 1
    assert store.get(job.id).state is JobState.FAILED
    with pytest.raises(OSError):
        there.path(job.result[0])
    assert [path.name for path in there.root.rglob("*.part")] == []


def test_a_store_that_fails_is_a_disk_that_fails(store, here, monkeypatch):
    def away(*args):
        raise RuntimeError("SlowDown")

    monkeypatch.setattr(here._files, "put_file", away)
    with pytest.raises(OSError, match="SlowDown"):
        draw(store, here)


def test_a_store_of_another_database_is_refused(tmp_path, here, url):
    with pytest.raises(UserError, match="another database"):
        StoredResults(tmp_path / "other", "other", url)


def test_an_empty_store_is_refused_when_there_are_results(store, tmp_path, url):
    with pytest.raises(UserError, match="is empty"):
        StoredResults(tmp_path / "other", store.store_id(), url, has_results=True)


@pytest.mark.parametrize("wrong", ["nothing://bucket", "s3://bucket/x"])
def test_stores_that_cannot_be_opened(store, tmp_path, monkeypatch, wrong):
    """The library for S3 is not installed, or made to seem so."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match="cannot be opened"):
        StoredResults(tmp_path / "other", store.store_id(), wrong)

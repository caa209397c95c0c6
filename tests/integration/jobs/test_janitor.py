"""Files without rows go; rows without files are told; what is needed stays."""

import pytest

from praxino.errors import JobError, UserError
from praxino.jobs.files import ResultFolder
from praxino.jobs.janitor import Swept, sweep
from praxino.jobs.job import JobState, Lease, Reason, Submission

NOTHING = Swept(0, 0, 0)


@pytest.fixture
def folder(store, tmp_path):
    return ResultFolder(tmp_path / "shared", store.store_id())


def submit(store):
    return store.submit(Submission({}, {}, "stub")).job.id


def write(folder, lease):
    return folder.write(lease, lambda place: (place / "clip.bin").write_bytes(b"clip"))


def succeed(store, folder):
    submit(store)
    lease = store.claim("w1").lease
    (folder.prepare_state(lease, fresh=False) / "state.json").write_text("{}")
    return store.complete(lease, write(folder, lease))


def test_what_is_needed_stays(store, folder):
    done = succeed(store, folder)
    submit(store)
    lease = store.claim("w1").lease
    (folder.prepare_state(lease, fresh=False) / "state.json").write_text("{}")
    write(folder, lease)
    (folder.root / "writing" / f"{lease.job_id}.1").mkdir()
    folder.remove_states(done.id)
    assert sweep(store, folder) == NOTHING
    assert len(folder.results()) == 2


def test_files_without_rows_go(store, folder):
    stranger = Lease("00000000-0000-7000-8000-000000000000", "w", 1, 1.0)
    write(folder, stranger)
    (folder.prepare_state(stranger, fresh=False) / "state.json").write_text("{}")
    (folder.root / "writing" / f"{stranger.job_id}.1").mkdir()
    assert sweep(store, folder) == Swept(0, 3, 0)
    assert (folder.results(), folder.states(), folder.written()) == ([], [], [])
    assert sweep(store, folder) == NOTHING


def test_what_an_attempt_without_a_lease_left_goes(store, folder):
    submit(store)
    lost = store.claim("w1").lease
    write(folder, lost)
    store.end_worker("w1", "died")
    assert sweep(store, folder) == Swept(0, 1, 0)


def test_saved_states_stay_until_the_job_has_ended(store, folder):
    job_id = submit(store)
    lease = store.claim("w1").lease
    (folder.prepare_state(lease, fresh=False) / "state.json").write_text("{}")
    store.stop(lease, "")
    assert sweep(store, folder) == NOTHING
    store.cancel(job_id)
    assert sweep(store, folder) == Swept(0, 1, 0)


@pytest.mark.parametrize("harm", ["gone", "short"])
def test_rows_without_files_are_told_and_can_be_tried_again(store, folder, harm):
    job = succeed(store, folder)
    folder.remove_states(job.id)
    path = folder.path(job.result[0])
    path.unlink() if harm == "gone" else path.write_bytes(b"")
    assert sweep(store, folder).missing == 1
    failed = store.get(job.id)
    assert (failed.state, failed.error.code, failed.dead_letter) == (JobState.FAILED, Reason.RESULT_MISSING, True)
    assert store.events(job.id)[-1].kind == "failed"
    assert store.retry(job.id).state is JobState.QUEUED
    assert store.claim("w2").lease.token == 2


def test_old_jobs_go_with_their_files(store, folder):
    job = succeed(store, folder)
    waiting = submit(store)
    assert sweep(store, folder, keep_seconds=3600).pruned == 0
    swept = sweep(store, folder, keep_seconds=0.0)
    assert (swept.pruned, swept.missing, folder.results()) == (1, 0, [])
    assert set(store.get_many([job.id, waiting])) == {waiting}


def test_a_folder_that_is_not_mounted_is_left_alone(store, folder):
    job = succeed(store, folder)
    folder.root.rename(folder.root.with_name("elsewhere"))
    with pytest.raises(JobError, match="is it mounted"):
        sweep(store, folder)
    with pytest.raises(UserError, match="is empty, but the database knows of results; is it mounted"):
        ResultFolder(folder.root, store.store_id(), has_results=True)
    assert store.get(job.id).state is JobState.SUCCEEDED


def test_a_folder_of_another_database_is_refused(store, folder):
    with pytest.raises(UserError, match="belongs to another database"):
        ResultFolder(folder.root, "another")
    assert ResultFolder(folder.root, store.store_id()).is_ours()

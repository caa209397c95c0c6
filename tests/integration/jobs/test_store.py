from praxino.jobs.job import JobState, Progress, ResultFile, Signal, Submission


def wish(owner="ada", **fields):
    return Submission({"prompt": "x"}, {"seed": 1}, fields.pop("model", "pocket"), owner=owner, **fields)


def test_a_job_from_submit_to_result(store):
    accepted = store.submit(wish())
    assert accepted.created
    claim = store.claim("w1")
    assert claim.job.id == accepted.job.id
    assert claim.recipe == {"seed": 1}
    assert store.heartbeat(claim.lease, Progress("denoise", 1, 4)) is Signal.GO_ON
    files = [ResultFile(f"{claim.job.id}/1/x.gif", "00", 3)]
    job = store.complete(claim.lease, files)
    assert (job.state, job.result) == (JobState.SUCCEEDED, tuple(files))
    assert [event.kind for event in store.events(job.id)] == ["queued", "started", "progress", "succeeded"]
    assert [event.sequence for event in store.events(job.id)] == [1, 2, 3, 4]
    assert store.counts()[JobState.SUCCEEDED] == 1

"""The durable queue: jobs that survive a crash of whatever runs them. Never imports the engine, families or torch.

    from praxino.jobs.job import JobState, Submission
    from praxino.jobs.store import Store

    store = Store("sqlite:////home/me/jobs.sqlite")        # or postgresql://host/name; tables are made when missing
    resolution = resolve(request)                           # the caller's: user errors are met before anything is kept
    accepted = store.submit(Submission(request.to_json(), resolution.recipe.to_json(), resolution.recipe.model,
                                       owner="ada", idempotency_key="7f3a"))
    accepted.job.id, accepted.created                       # on disk now; created is False for a repeated key

For a server, all of `Store`, thread-safe, blocking (call it from a thread pool):

- `submit`, `get`, `recipe`, `list_jobs` (cursor = last id of a page), `cancel`, `retry`, `delete`, `position`,
  `counts`, `workers`, `store_id` (is it reachable?);
- `events(job_id, after)`: what happened, numbered 1, 2, 3, ... within the job without gaps, for SSE and Last-Event-ID:
  ask again with the last number seen. After an event of kind succeeded, failed or cancelled none follows, unless
  somebody calls `retry`, or the janitor finds the files of a result gone (failed);
- `Submission.annotations`: JSON that the submitter finds again in `Job.annotations`, such as the API's dialect or a
  webhook. To deliver each ending once, left-join a table of deliveries to the events of these three kinds;
- `Job.result`: files, by name relative to the results folder (`praxino.jobs.files.ResultFolder`);
- errors, all in `job.py`: UnknownJob 404, WrongState 409, KeyReused 422, QueueFull 429 (all are UserError), and
  StoreUnavailable 503.

For a worker: `claim`, `heartbeat`, `check`, `complete`, `fail`, `stop` (see `worker.py`); whoever sees a worker die
calls `end_worker`, else its lease runs out.

What holds at every moment, whatever is killed: a job that `submit` returned is kept; only the holder of the newest
lease can end an attempt; a job succeeds at most once, with files that are all on disk; a job whose cancelling was asked
for while it waited or ran never succeeds.

A table of your own is one migration in `jobs/migrations/versions` (its number goes into `tables.REVISION`) and one
`Table` in `tables.py`; a test compares the two. Stores bring old databases up to date when they open them.
"""

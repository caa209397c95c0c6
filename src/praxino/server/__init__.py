"""The HTTP server: routes over the queue. Imports no torch and no loading of families; the worker draws elsewhere.

A dialect of the API is a module here with a `router`, listed in `app.create_app`. What it is given:

    from praxino.server.auth import Caller, require                    # Annotated[Caller, Depends(require("write"))]
    from praxino.server.body import read_form, read_json               # after the key was checked; 400, 408, 413, 415
    from praxino.server.services import Services, services_of          # Annotated[Services, Depends(services_of)]
    from praxino.server.submitting import Order, own_job, retry_now, submit
    from praxino.server.problems import Problem, problem_of, word_errors
    from praxino.server import results

    accepted = await submit(services, caller, Order(Request(prompt=..., image=...), body, idempotency_key=...,
                                                    annotations={"dialect": "..."}))

- `submit` takes a `praxino.request.Request` whose pictures are ids of uploads, data URLs or http(s) URLs (never paths)
  and whose models, LoRAs and companions are installed names. It fetches, checks, resolves, and queues: every error of
  the user is met there. `Accepted.job` is on disk; `Accepted.created` is False for a repeated idempotency key. `body`
  is what was sent, as JSON values (of a form: its fields, and the id of each upload). `submit_now` blocks.
- A file of a form becomes an upload first: `services.inputs.receive(caller.owner, file.file, "image").id`, blocking.
- `own_job(services, caller, job_id)`: a job of the caller's; 404 for everybody else's. Listing, cancelling, events: the
  methods of `services.store` (see `praxino.jobs`), with `owner=caller.owner`. They block: plain `def` routes run in
  threads, `async def` ones call `anyio.to_thread.run_sync`.
- Results: `results.finished_files(job)` (409 before there are any), `results.link(request, services, file)` gives an
  absolute signed URL and when it expires, `results.content(services, file)` is the answer with the bytes, ranges
  included; `results.content_type(file)`.
- Errors: raise `Problem(status, code, message)` or any `PraxinoError`. The body is {"error": {"code", "message",
  "fix"?}}; `word_errors(app, "/v1", format)` has errors of paths with that prefix told as `format(problem)` says.
- `request.app.state.closing` (an `anyio.Event`) is set when the server closes: streams end then.
"""

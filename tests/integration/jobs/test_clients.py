"""A thousand clients at once, many of them with the same thing to say, against two servers on one database."""

import threading

from praxino.jobs.job import Submission
from praxino.jobs.store import Store

NUM_CLIENTS = 1000
NUM_KEYS = 250


def test_a_thousand_clients(url):
    stores = [Store(url), Store(url)]
    answers = []
    at_once = threading.Barrier(NUM_CLIENTS)

    def submit(number):
        key = f"key {number % NUM_KEYS}"
        wanted = Submission({"key": key}, {}, "stub", owner=f"owner {number % NUM_KEYS % 7}", idempotency_key=key)
        at_once.wait()
        accepted = stores[number % 2].submit(wanted)
        answers.append((key, accepted.job.id, accepted.created))

    clients = [threading.Thread(target=submit, args=(number,)) for number in range(NUM_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert len(answers) == NUM_CLIENTS
    ids = {key: id for key, id, _ in answers}
    assert all(ids[key] == id for key, id, _ in answers), "one key, one job"
    assert sum(created for _, _, created in answers) == NUM_KEYS
    assert {job.id for job in stores[0].list_jobs(limit=1000).jobs} == set(ids.values())
    for store in stores:
        store.close()

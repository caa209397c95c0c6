"""A server in miniature: takes submissions and cancellations as lines of JSON on a unix socket, and answers."""

import json
import os
import socketserver
import sys

from praxino.jobs.job import Submission
from praxino.jobs.retry import RetryPolicy
from praxino.jobs.store import Store


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
            self.wfile.flush()

    def _answer(self, asked):
        store = self.server.store
        if "cancel" in asked:
            job = store.cancel(asked["cancel"])
            return {"id": job.id, "state": job.state}
        wanted = Submission(
            asked["request"], asked["recipe"], "stub", owner=asked["owner"], idempotency_key=asked["key"]
        )
        accepted = store.submit(wanted)
        return {"id": accepted.job.id, "created": accepted.created}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def main(url, socket_path, lease_seconds):
    store = Store(url, policy=RetryPolicy(first_delay_seconds=0.05), lease_seconds=lease_seconds)
    if os.path.exists(socket_path):
        os.unlink(socket_path)
    with _Server(socket_path, _Handler) as server:
        server.store = store
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))

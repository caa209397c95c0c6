"""/metrics, for Prometheus: the queue as the database has it, and what each worker tells of itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from praxino.jobs.job import JobState, WorkerStatus
from praxino.jobs.vitals import read_vitals
from praxino.server.auth import Caller, require
from praxino.server.services import Services, Shared
from praxino.server.submitting import is_there
from praxino.server.views import ERRORS

router = APIRouter(tags=["metrics"], responses=ERRORS)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"}},
)
def get_metrics(services: Shared, caller: Annotated[Caller, Depends(require("metrics"))]) -> Response:
    """Figures of the queue, the workers and this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Figures(services))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Figures(Collector):
    """Read anew for each answer."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The queue, then the workers."""
        store = self._services.store
        jobs = GaugeMetricFamily("praxino_jobs", "Jobs in each state.", labels=["state"])
        for state, count in store.counts().items():
            jobs.add_metric([state], count)
        yield jobs
        oldest = store.list_jobs(states=[JobState.QUEUED], limit=1, newest_first=False).jobs
        age = max(0.0, time.time() - oldest[0].created_at) if oldest else 0.0
        yield GaugeMetricFamily("praxino_queue_age_seconds", "Age of the oldest job that waits.", value=age)
        workers = [worker for worker in store.workers() if is_there(worker)]
        alive = GaugeMetricFamily("praxino_workers", "Workers that are there.", labels=["busy"])
        for busy in (True, False):
            alive.add_metric([str(busy).lower()], sum((worker.job_id is not None) is busy for worker in workers))
        yield alive
        yield from _of_workers(self._services, workers)


def _of_workers(services: Services, workers: Iterable[WorkerStatus]) -> Iterator[GaugeMetricFamily]:
    """What workers tell, each sample labelled with whose it is."""
    infos = {worker.info.incarnation: worker.info for worker in workers}
    families = {}
    for incarnation, text in read_vitals(services.folder.root, infos).items():
        info = infos[incarnation]
        whose = {"worker": incarnation, "host": info.host, "device": info.device}
        for family in text_string_to_metric_families(text):
            known = families.setdefault(family.name, family)
            labelled = [Sample(one.name, {**one.labels, **whose}, one.value) for one in family.samples]
            known.samples = labelled if known is family else [*known.samples, *labelled]
    yield from families.values()

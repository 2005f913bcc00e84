"""Metrics for Prometheus. No label has the name of an account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from pryv import MissingAddonError
from pryv_fleet._passes import Outcome
from pryv_fleet.errors import DatabaseError
from pryv_fleet.fleet import Fleet

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

_WAIT: Final = 3.0
"""Seconds to wait for PostgreSQL: Prometheus waits for ten, and should get the metrics of the process at least."""


class FleetMetrics:
    """The metrics of a fleet: of the passes of this process, and of the whole fleet when they are read.

    Args:
        fleet: The fleet.
        registry: Where they are registered; by default the registry of `prometheus_client`.

    Raises:
        MissingAddonError: `prometheus_client` is not installed.
    """

    def __init__(self, fleet: Fleet, registry: CollectorRegistry | None = None) -> None:
        try:
            from prometheus_client import REGISTRY, Counter, Histogram
        except ImportError:
            raise MissingAddonError('metrics need prometheus_client: pip install "pryv-fleet[prometheus]"') from None
        registry = registry or REGISTRY
        self._fleet = fleet
        labels = ("platform", "outcome")
        self._passes = Counter("pryv_fleet_passes", "Passes of accounts", labels, registry=registry)
        self._seconds = Histogram("pryv_fleet_pass_seconds", "Duration of passes", ("platform",), registry=registry)
        self._events = Counter("pryv_fleet_events_applied", "Events applied", ("platform",), registry=registry)
        self._deletions = Counter("pryv_fleet_deletions_applied", "Deletions applied", ("platform",), registry=registry)
        self._requests = Counter("pryv_fleet_requests", "Requests to platforms", ("status",), registry=registry)
        registry.register(self)
        fleet.on_outcome(self._observe)
        fleet.on_response(lambda status: self._requests.labels(status).inc())

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of the whole fleet; while PostgreSQL cannot be reached, only that it is not up."""
        from prometheus_client.core import GaugeMetricFamily

        up = GaugeMetricFamily("pryv_fleet_up", "Whether PostgreSQL can be reached")
        try:
            status = self._fleet.status(wait=_WAIT)
        except DatabaseError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        accounts = GaugeMetricFamily("pryv_fleet_accounts", "Accounts by state", labels=["state"])
        for state, number in status.states.items():
            accounts.add_metric([state], number)
        yield accounts
        yield GaugeMetricFamily("pryv_fleet_due", "Accounts that wait for a pass", value=status.due)
        yield GaugeMetricFamily("pryv_fleet_in_flight", "Accounts leased by a worker", value=status.in_flight)
        yield GaugeMetricFamily("pryv_fleet_lag_seconds", "Age of the oldest complete pass", value=status.lag)
        held = GaugeMetricFamily(
            "pryv_fleet_platform_held", "Whether a platform asked for a pause", labels=["platform"]
        )
        for platform in status.platforms:
            held.add_metric([platform.url], float(platform.not_before is not None))
        yield held

    def describe(self) -> list[Any]:
        """Return nothing: to register the metrics must not read the database."""
        return []

    def _observe(self, outcome: Outcome) -> None:
        platform = outcome.claim.platform_url
        self._passes.labels(platform, outcome.result).inc()
        if outcome.result == "deferred":
            return
        self._seconds.labels(platform).observe(outcome.seconds)
        if outcome.report is not None:
            self._events.labels(platform).inc(outcome.report.events)
            self._deletions.labels(platform).inc(outcome.report.event_deletions)


def serve_metrics(fleet: Fleet, port: int) -> None:
    """Serve the metrics of a fleet over HTTP, on a thread, to any host that can reach the port.

    Raises:
        MissingAddonError: `prometheus_client` is not installed.
        OSError: the port is in use.
    """
    FleetMetrics(fleet)
    from prometheus_client import start_http_server

    start_http_server(port)

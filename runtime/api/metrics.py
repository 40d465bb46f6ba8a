"""How much of everything, as Prometheus text; imported by the first who asks, not at the start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from runtime.api.instructor_views import stuck as reasons
from runtime.api.services import Services
from runtime.domain.attention import Attention, Effort, Reason


class SessionCollector(Collector):
    """Reads the services when asked; nothing is counted twice."""

    def __init__(self, services: Services, attention: Attention | None, readers: int) -> None:
        self._services = services
        self._attention = attention
        self._readers = readers

    def collect(self) -> Iterable[Metric]:
        """The metrics of now."""
        services = self._services
        session = services.session
        state = session.state
        terminals = services.terminals.list()
        yield GaugeMetricFamily(
            "workshop_steps", "Steps of the workshop", value=len(session.workshop.steps)
        )
        yield GaugeMetricFamily(
            "workshop_steps_completed",
            "Steps completed",
            value=len(session.completed),
        )
        yield GaugeMetricFamily(
            "workshop_pages_attached", "Pages attached to a terminal", value=len(state.clients)
        )
        yield GaugeMetricFamily(
            "workshop_terminals_running",
            "Terminals with a running shell",
            value=sum(1 for each in terminals if each.running),
        )
        yield GaugeMetricFamily(
            "workshop_host_attached",
            "1 while a host listens for transitions",
            value=int(services.transitions.host_attached),
        )
        yield GaugeMetricFamily(
            "workshop_problems",
            "Problems the page shows now",
            value=sum(1 for _ in session.problems),
        )
        yield GaugeMetricFamily(
            "workshop_tasks", "Tasks of the daemon's event loop", value=len(asyncio.all_tasks())
        )
        yield CounterMetricFamily(
            "workshop_events", "Events in the log, replayed ones included", value=state.events
        )
        yield CounterMetricFamily(
            "workshop_unknown_events", "Events of a newer version, kept", value=state.unknown_events
        )
        yield CounterMetricFamily(
            "workshop_command_log_lines_skipped",
            "Lines of the command log that are no commands",
            value=services.commands.skipped,
        )
        yield GaugeMetricFamily(
            "workshop_hand_raised", "1 while the student's hand is up", value=int(bool(state.hand))
        )
        yield GaugeMetricFamily(
            "workshop_instructor_readers", "Open instructor feeds", value=self._readers
        )
        yield GaugeMetricFamily(
            "workshop_watchers", "Open live views", value=len(state.watching.watchers)
        )
        if self._attention is not None:
            yield from self._effort(self._attention)

    def _effort(self, attention: Attention) -> Iterable[Metric]:
        """How the student gets on; known where an instructor may ask."""
        session = self._services.session
        now = session.now()
        stuck = GaugeMetricFamily(
            "workshop_stuck",
            "1 for each reason to think that the student is stuck",
            labels=["reason"],
        )
        found = {each.reason for each in reasons(self._services, attention, now)}
        for reason in get_args(Reason):
            stuck.add_metric([reason], int(reason in found))
        yield stuck
        if attention.last_activity is not None:
            yield GaugeMetricFamily(
                "workshop_last_activity_timestamp_seconds",
                "The student's last sign of life",
                value=attention.last_activity.timestamp(),
            )
        on_task = CounterMetricFamily(
            "workshop_step_on_task_seconds", "Time spent on a step", labels=["step"]
        )
        attempts = CounterMetricFamily(
            "workshop_step_attempts",
            "Check runs of the student's making",
            labels=["step", "outcome"],
        )
        completed = GaugeMetricFamily(
            "workshop_step_completed", "1 for a completed step", labels=["step"]
        )
        for step in session.workshop.steps:
            effort = attention.steps.get(step.id) or Effort()
            on_task.add_metric([step.id], attention.on_task(step.id, now).total_seconds())
            attempts.add_metric([step.id, "passed"], effort.attempts - effort.failed)
            attempts.add_metric([step.id, "failed"], effort.failed)
            completed.add_metric([step.id], int(step.id in session.state.completed))
        yield from (on_task, attempts, completed)


def exposition(services: Services, attention: Attention | None, readers: int) -> tuple[bytes, str]:
    """The text of now and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SessionCollector(services, attention, readers))
    ProcessCollector(registry=registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST

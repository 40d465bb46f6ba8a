"""What the services know about one student, as the instructor's page needs it."""

from __future__ import annotations

from datetime import datetime

from runtime.api import instructor_schemas as schemas
from runtime.api import views
from runtime.api.schemas import HostPresence, TerminalInfo
from runtime.api.services import Services
from runtime.domain.attention import Attention, Effort, Stuck
from runtime.domain.redaction import redact
from runtime.domain.workshop import Step
from runtime.services.observer import Place


def status(services: Services, attention: Attention, place: Place) -> schemas.InstructorStatus:
    """Everything about the student, as of now."""
    session, now = services.session, services.session.now()
    state = views.state(session, services.transitions, services.recording_switch, None)
    return schemas.InstructorStatus(
        id=str(place),
        ts=now,
        session=session.id,
        boot=session.boot,
        workshop=session.workshop.name,
        title=session.workshop.title,
        navigation_mode=session.workshop.navigation,
        active_step=state.active_step,
        viewed_step=state.viewed_step,
        steps=[_effort(services, attention, each, now) for each in session.workshop.steps],
        completed=len(session.completed),
        total=len(session.workshop.steps),
        finished=len(session.completed) == len(session.workshop.steps),
        connected=state.connected,
        last_activity=attention.last_activity,
        idle_since=attention.last_activity if state.connected else None,
        running=attention.is_running(now),
        stuck=[_stuck(each) for each in stuck(services, attention, now)],
        hand=state.hand,
        hand_reply=state.hand_reply,
        transition=state.transition,
        host=HostPresence(attached=state.host.attached),  # when it last polled is no news
        watching=state.watching,
        terminals=_terminals(services),
        recording=state.recording,
        problems=state.problems,
    )


def stuck(services: Services, attention: Attention, now: datetime) -> tuple[Stuck, ...]:
    """Why somebody should look; nothing when the whole workshop is done."""
    session = services.session
    if len(session.completed) == len(session.workshop.steps):
        return ()
    return attention.stuck(now)


def _terminals(services: Services) -> list[TerminalInfo]:
    """A title may hold what was typed: it goes with the view, without its secrets."""
    shown = []
    watching = services.watching
    for each in services.terminals.list():
        terminal = views.terminal(each)
        visible = terminal.title and watching.state.may_watch(watching.setting, each.name)
        title = redact(terminal.title) if terminal.title and visible else None
        shown.append(terminal.model_copy(update={"title": title}))
    return shown


def _effort(
    services: Services, attention: Attention, step: Step, now: datetime
) -> schemas.StepEffort:
    state = services.session.state
    effort = attention.steps.get(step.id) or Effort()
    report = state.reports.get(step.id)
    return schemas.StepEffort(
        id=step.id,
        title=step.title,
        group=step.group,
        position=step.position,
        has_goss=step.has_goss,
        completed=step.id in state.completed,
        completed_at=state.completed.get(step.id),
        started_at=effort.started,
        on_task_seconds=int(attention.on_task(step.id, now).total_seconds()),
        attempts=effort.attempts,
        failed=effort.failed,
        commands=effort.commands,
        failed_commands=effort.failed_commands,
        helps=effort.helps,
        check=views.check_summary(report) if report else None,
    )


def _stuck(each: Stuck) -> schemas.Stuck:
    return schemas.Stuck.model_validate(each, from_attributes=True)

"""From what the services know to what goes over the wire."""

from __future__ import annotations

from runtime.api import schemas
from runtime.api.health import known_problems
from runtime.domain import checks, commands, transitions
from runtime.domain import watching as domain_watching
from runtime.domain.state import LastReport
from runtime.domain.workshop import Step
from runtime.services.follow import Picture
from runtime.services.session import Session
from runtime.services.switch import RecordingSwitch
from runtime.services.terminal import TerminalInfo
from runtime.services.transitions import Transitions


def state(
    session: Session,
    moves: Transitions,
    switch: RecordingSwitch | None,
    management_url: str | None,
) -> schemas.State:
    """The whole state."""
    now = session.state
    known = {step.id for step in session.workshop.steps}
    return schemas.State(
        session=session.id,
        boot=session.boot,
        navigation_mode=session.workshop.navigation,
        active_step=session.active.id,
        viewed_step=session.viewed.id,
        completed_steps=[step.id for step in session.completed],
        transition=transition(now.transition) if now.transition else None,
        host=schemas.HostPresence(attached=moves.host_attached, last_seen=moves.host_last_seen),
        hand=schemas.Hand(since=now.hand.since, note=now.hand.note) if now.hand else None,
        hand_reply=schemas.HandReply(ts=now.reply.ts, note=now.reply.note) if now.reply else None,
        watching=watching(session),
        connected=len(now.clients),
        checks={
            step_id: check_summary(report)
            for step_id, report in now.reports.items()
            if step_id in known
        },
        recording=recording(switch),
        problems=known_problems(session),
        management_url=management_url,
    )


def recording(switch: RecordingSwitch | None) -> schemas.RecordingMode:
    """Whether terminals are recorded."""
    if switch is None:
        return "off"
    return "paused" if switch.is_paused else "on"


def check_summary(report: LastReport) -> schemas.CheckSummary:
    """The last report of a step."""
    return schemas.CheckSummary(
        outcome=report.outcome,
        passed=report.passed,
        counts=schemas.CheckCounts.model_validate(report.counts, from_attributes=True),
        ts=report.ts,
        trigger=report.trigger,
    )


def watching(session: Session) -> schemas.Watching:
    """Who may look, who asked, who does."""
    state, setting = session.state.watching, session.workshop.watching
    return schemas.Watching(
        setting=setting,
        mode=state.mode(setting),
        permissions=[permission(each) for each in state.permissions.values()],
        watched=sorted({terminal for terminal, _ in state.watchers}),
    )


def permission(each: domain_watching.Permission) -> schemas.Permission:
    """What an instructor asked for."""
    return schemas.Permission.model_validate(each, from_attributes=True)


def step(session: Session, each: Step) -> schemas.StepSummary:
    """One line of the step list."""
    reason = session.locked_reason(each)
    return schemas.StepSummary(
        id=each.id,
        title=each.title,
        group=each.group,
        requires=list(each.requires) or None,
        position=each.position,
        accessible=reason is None,
        reason=reason,
        completed=each.id in session.state.completed,
        has_goss=each.has_goss,
        has_hints=each.has_hints,
        has_explain=each.has_explain,
        has_solve=each.has_solve,
        auto_validate=session.workshop.auto_validates(each),
    )


def transition(each: transitions.Transition) -> schemas.Transition:
    """One transition."""
    return schemas.Transition(
        id=each.id,
        step=each.step,
        kind=each.kind,
        from_=each.from_step,
        status=each.status,
        requested=each.requested,
        host=each.host,
        code=each.code,
        reason=each.reason,
    )


def report(each: checks.Report) -> schemas.Report:
    """One check run."""
    return schemas.Report(
        step=each.step,
        passed=each.passed,
        outcome=each.outcome,
        trigger=each.trigger,
        counts=schemas.CheckCounts.model_validate(each.counts, from_attributes=True),
        checks=[
            schemas.CheckResult.model_validate(result, from_attributes=True)
            for result in each.checks
        ],
        duration_ms=each.duration_ms,
        reason=each.reason,
        auto_paused=each.auto_paused or None,
        ts=each.ts,
    )


def terminal(each: TerminalInfo) -> schemas.TerminalInfo:
    """One terminal."""
    return schemas.TerminalInfo.model_validate(each, from_attributes=True)


def cast_start(picture: Picture) -> schemas.CastStart:
    """Where following a cast begins."""
    return schemas.CastStart(
        width=picture.cols,
        height=picture.rows,
        time=picture.seconds,
        init=picture.screen.decode("utf-8", "replace"),
    )


def command(each: commands.Command, number: int | None = None) -> schemas.Command:
    """One line of the command log, with its id in a list that can be paged."""
    return schemas.Command(id=number, **each.model_dump())

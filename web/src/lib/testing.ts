// What the daemon would answer, for tests.

import type { Report, State, StepSummary, Transition, Workshop } from './protocol';

export function makeStep(
  id: string,
  position: number,
  more: Partial<StepSummary> = {},
): StepSummary {
  return {
    id,
    title: id.toUpperCase(),
    position,
    accessible: true,
    completed: false,
    hasGoss: true,
    hasHints: false,
    hasExplain: false,
    hasSolve: false,
    autoValidate: true,
    ...more,
  };
}

export function makeState(more: Partial<State> = {}): State {
  return {
    session: 's-1',
    boot: 'b-1',
    navigationMode: 'linear',
    activeStep: 'a',
    viewedStep: 'a',
    completedSteps: [],
    host: { attached: true },
    watching: { setting: 'always', mode: 'always', permissions: [], watched: [] },
    connected: 1,
    checks: {},
    recording: 'on',
    problems: [],
    ...more,
  };
}

export function makeReport(more: Partial<Report> = {}): Report {
  return {
    step: 'a',
    passed: false,
    outcome: 'failed',
    trigger: 'auto',
    counts: { total: 2, passed: 1, failed: 1, skipped: 0 },
    checks: [],
    durationMs: 5,
    ...more,
  };
}

export function makeTransition(more: Partial<Transition> = {}): Transition {
  return {
    id: 't-1',
    step: 'b',
    kind: 'go',
    from: 'a',
    status: 'requested',
    requested: '2026-01-31T14:22:01.123Z',
    ...more,
  };
}

export function makeWorkshop(more: Partial<Workshop> = {}): Workshop {
  return {
    name: 'hello',
    title: 'Hello',
    description: '',
    navigation: 'linear',
    session: 's-1',
    steps: 2,
    capabilities: { llm: false, transitions: true, recording: true, autoValidate: true },
    versions: { daemon: '0', schema: '1.0' },
    ...more,
  };
}

// What the step list shows and where "next" leads.

import type { State, StepSummary } from './protocol';

/** Steps that follow each other under one heading; `name` is null for steps without a group. */
export interface StepGroup {
  name: string | null;
  steps: StepSummary[];
  done: number;
}

/** The steps by group, groups in order of first appearance, steps in the workshop's order. */
export function groupSteps(steps: readonly StepSummary[]): StepGroup[] {
  const groups: StepGroup[] = [];
  for (const step of inOrder(steps)) {
    const name = step.group ?? null;
    const last = groups.at(-1);
    const group =
      name === null
        ? last?.name === null
          ? last
          : undefined
        : groups.find((each) => each.name === name);
    if (group) group.steps.push(step);
    else groups.push({ name, steps: [step], done: 0 });
  }
  for (const group of groups) group.done = group.steps.filter((step) => step.completed).length;
  return groups;
}

/** How far the student is. */
export function progress(steps: readonly StepSummary[]): {
  done: number;
  total: number;
  percent: number;
} {
  const done = steps.filter((step) => step.completed).length;
  const percent = steps.length ? Math.round((100 * done) / steps.length) : 0;
  return { done, total: steps.length, percent };
}

/** Whether every step is completed. */
export function isFinished(steps: readonly StepSummary[]): boolean {
  return steps.length > 0 && steps.every((step) => step.completed);
}

/** The step in front of and behind `id` in the workshop's order. */
export function neighbours(
  steps: readonly StepSummary[],
  id: string,
): { before: StepSummary | null; after: StepSummary | null } {
  const ordered = inOrder(steps);
  const index = ordered.findIndex((step) => step.id === id);
  if (index < 0) return { before: null, after: null };
  return { before: ordered[index - 1] ?? null, after: ordered[index + 1] ?? null };
}

/**
 * Where to go after completing `id`: the next open step behind it, else the first one left open
 * anywhere, else null.
 */
export function nextToDo(steps: readonly StepSummary[], id: string): StepSummary | null {
  const ordered = inOrder(steps);
  const open = ordered.filter((step) => step.accessible && !step.completed && step.id !== id);
  const position = ordered.find((step) => step.id === id)?.position ?? -1;
  return open.find((step) => step.position > position) ?? open[0] ?? null;
}

/**
 * Whether the page should say that the machine is elsewhere. A student who walked from the
 * machine's step to this one, completing each on the way, has the right machine already.
 */
export function machineIsElsewhere(
  steps: readonly StepSummary[],
  state: Pick<State, 'activeStep'>,
  viewed: string,
): boolean {
  if (state.activeStep === viewed) return false;
  const ordered = inOrder(steps);
  const from = ordered.findIndex((step) => step.id === state.activeStep);
  const to = ordered.findIndex((step) => step.id === viewed);
  if (from < 0 || to < 0) return false;
  if (to < from) return true;
  return !ordered.slice(from, to).every((step) => step.completed);
}

function inOrder(steps: readonly StepSummary[]): StepSummary[] {
  return [...steps].sort((a, b) => a.position - b.position);
}

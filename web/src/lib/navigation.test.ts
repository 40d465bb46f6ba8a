import { describe, expect, it } from 'vitest';
import {
  groupSteps,
  isFinished,
  machineIsElsewhere,
  neighbours,
  nextToDo,
  progress,
} from './navigation';
import { makeStep } from './testing';

const steps = [
  makeStep('a', 0, { group: 'One', completed: true }),
  makeStep('b', 1, { group: 'Two' }),
  makeStep('c', 2, { group: 'One' }),
  makeStep('d', 3, { accessible: false, reason: 'Complete “b” first.' }),
];

describe('groups', () => {
  it('stand in order of first appearance and count what is done', () => {
    const groups = groupSteps([...steps].reverse());
    expect(
      groups.map(({ name, done, steps: each }) => [name, done, each.map(({ id }) => id)]),
    ).toEqual([
      ['One', 1, ['a', 'c']],
      ['Two', 0, ['b']],
      [null, 0, ['d']],
    ]);
  });

  it('keep ungrouped steps where they are', () => {
    const names = groupSteps([
      makeStep('x', 0),
      makeStep('y', 1, { group: 'G' }),
      makeStep('z', 2),
    ]);
    expect(names.map(({ name }) => name)).toEqual([null, 'G', null]);
  });
});

describe('progress', () => {
  it('counts completed steps', () => {
    expect(progress(steps)).toEqual({ done: 1, total: 4, percent: 25 });
    expect(progress([])).toEqual({ done: 0, total: 0, percent: 0 });
  });

  it('is finished when every step is completed', () => {
    expect(isFinished(steps)).toBe(false);
    expect(isFinished(steps.map((step) => ({ ...step, completed: true })))).toBe(true);
    expect(isFinished([])).toBe(false);
  });
});

describe('what comes next', () => {
  it('is the next open step behind, never a locked one', () => {
    expect(nextToDo(steps, 'a')?.id).toBe('b');
    expect(nextToDo(steps, 'b')?.id).toBe('c');
  });

  it('is what was left out before when nothing is open behind', () => {
    expect(nextToDo(steps, 'c')?.id).toBe('b');
  });

  it('knows the steps in front and behind', () => {
    expect(neighbours(steps, 'a').before).toBeNull();
    expect(neighbours(steps, 'a').after?.id).toBe('b');
    expect(neighbours(steps, 'nowhere')).toEqual({ before: null, after: null });
  });
});

describe('the machine is elsewhere', () => {
  it('not when the student walked here, completing each step', () => {
    expect(machineIsElsewhere(steps, { activeStep: 'a' }, 'b')).toBe(false);
    expect(machineIsElsewhere(steps, { activeStep: 'a' }, 'a')).toBe(false);
  });

  it('when the student went back, or skipped a step', () => {
    expect(machineIsElsewhere(steps, { activeStep: 'b' }, 'a')).toBe(true);
    expect(machineIsElsewhere(steps, { activeStep: 'a' }, 'c')).toBe(true);
  });
});

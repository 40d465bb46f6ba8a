import { describe, expect, it } from 'vitest';
import {
  autoSentence,
  checksSentence,
  clockTime,
  connectionSentence,
  transitionQuestion,
  transitionSentence,
} from './sentences';
import { makeReport, makeStep, makeTransition } from './testing';

const step = makeStep('a', 0);
const counts = (total: number, passed: number, skipped = 0) => ({
  total,
  passed,
  failed: total - passed - skipped,
  skipped,
});

describe('the connection', () => {
  it('is not mentioned while it is there', () => {
    expect(connectionSentence('live', undefined)).toBeNull();
  });

  it('explains a machine that is being replaced', () => {
    const claimed = makeTransition({ status: 'claimed' });
    expect(connectionSentence('reconnecting', claimed)).toContain('being replaced');
    const over = makeTransition({ status: 'completed' });
    expect(connectionSentence('reconnecting', over)).toContain('Reconnecting…');
  });

  it('says how to get in', () => {
    expect(connectionSentence('unauthorised', undefined)).toContain('Open the full link');
  });
});

describe('checks', () => {
  it.each([
    [undefined, 'Not checked yet.'],
    [makeReport({ counts: counts(5, 2) }), '2 of 5 checks pass.'],
    [makeReport({ counts: counts(5, 1) }), '1 of 5 checks passes.'],
    [makeReport({ counts: counts(3, 0) }), 'None of 3 checks passes yet.'],
    [makeReport({ counts: counts(1, 0) }), 'The check does not pass yet.'],
    [makeReport({ counts: counts(3, 1, 1) }), '1 of 2 checks passes.'],
    [makeReport({ outcome: 'passed', counts: counts(3, 3) }), 'All checks pass.'],
  ])('%#', (report, sentence) => {
    expect(checksSentence(step, report, undefined)).toBe(sentence);
  });

  it('that are broken are not the student’s fault', () => {
    const report = makeReport({ outcome: 'error' });
    expect(checksSentence(step, report, undefined)).toContain('not your doing');
  });

  it('that fail later do not take a completion away', () => {
    const done = makeStep('a', 0, { completed: true });
    const report = makeReport({ counts: counts(2, 1) });
    expect(checksSentence(done, report, undefined)).toMatch(
      /^You completed this step\. Right now, 1/,
    );
  });

  it('say when they run', () => {
    expect(autoSentence(true, step)).toContain('after every command');
    expect(autoSentence(false, step)).toContain('press the button');
    expect(autoSentence(true, step, makeReport({ autoPaused: true }))).toContain('take a while');
  });
});

describe('a transition', () => {
  it.each([
    ['requested', 'Your machine is moving to “B”. Waiting for the host to start.'],
    [
      'claimed',
      'Your machine is moving to “B”. The new machine is being prepared; yours still runs.',
    ],
    ['completed', 'Your machine is now at “B”.'],
    ['cancelled', 'The move to “B” was withdrawn. Everything is as it was.'],
  ] as const)('%s', (status, sentence) => {
    expect(transitionSentence(makeTransition({ status }), 'B')).toBe(sentence);
  });

  it('says when the old machine has gone', () => {
    const claimed = makeTransition({ status: 'claimed' });
    expect(transitionSentence(claimed, 'B', false)).toBe(
      'Your machine is moving to “B”. Yours has stopped, the new one is starting.',
    );
  });

  it('that failed says why', () => {
    const failed = makeTransition({ status: 'failed', reason: 'The image is missing' });
    expect(transitionSentence(failed, 'B')).toBe(
      'Your machine was not moved to “B”: The image is missing. Everything is as it was.',
    );
  });

  it.each(['go', 'reset', 'solve'] as const)('asks first and says what is kept: %s', (kind) => {
    const question = transitionQuestion(kind, 'B');
    expect(question.text.join(' ')).toContain('Your shell is replaced');
    expect(question.text.join(' ')).toContain('put aside');
  });
});

it('a time that is none is left out', () => {
  expect(clockTime('nonsense')).toBe('');
  expect(clockTime('2026-01-31T14:22:01Z', 'en-GB')).toMatch(/^\d\d:\d\d$/);
});

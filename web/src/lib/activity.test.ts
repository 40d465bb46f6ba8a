import { describe, expect, test } from 'vitest';
import { checkRow, commandRow, happeningRow, helpRows, matches, type CommandRow } from './activity';

const TS = '2026-01-31T12:00:00.000Z';
const titleOf = (step: string) => step.toUpperCase();

function command(cmd: string, exit = 0, term = 'main'): CommandRow {
  const row = commandRow('1-1', { ts: TS, cmd, exit, term }, 'one');
  if (!row) throw new Error('no command');
  return row;
}

describe('rows of facts', () => {
  test('a command keeps what was logged and the step of then', () => {
    const row = commandRow('5-9', { ts: TS, cmd: 'ls', exit: 2, ms: 7, cut: true }, 'one');
    expect(row).toEqual({
      id: '5-9',
      ts: TS,
      cmd: 'ls',
      exit: 2,
      ms: 7,
      cwd: null,
      term: null,
      cut: true,
      step: 'one',
    });
    expect(commandRow('1', { ts: TS }, null)).toBeNull();
  });

  test('a check run counts what was not skipped and lists what failed', () => {
    const row = checkRow('1', {
      ts: TS,
      event: 'goss_result',
      step: 'one',
      outcome: 'failed',
      trigger: 'student',
      duration_ms: 12,
      checks: { total: 5, passed: 3, failed: 1, skipped: 1 },
      results: [{ name: 'file', title: 'The file is there', expected: 'a', found: 'b' }, 'junk'],
    });
    expect(row).toMatchObject({ passed: 3, total: 4, outcome: 'failed', trigger: 'student' });
    expect(row?.failed[0]).toEqual({
      name: 'file',
      title: 'The file is there',
      summary: null,
      expected: 'a',
      found: 'b',
    });
    expect(checkRow('1', { ts: TS, outcome: 'from the future' })).toBeNull();
  });

  test.each([
    [{ event: 'hand_raised', note: 'help' }, 'Raised a hand', 'help'],
    [{ event: 'hand_lowered', by: 'instructor' }, 'An instructor lowered the hand', null],
    [{ event: 'transition_requested', kind: 'reset', step: 'one' }, 'Starts “ONE” over', null],
    [
      { event: 'transition_failed', reason: 'no image' },
      'The machine could not be moved',
      'no image',
    ],
    [{ event: 'step_viewed', step: 'two' }, 'Looks at “TWO”', null],
    [{ event: 'watch_answered', allowed: false }, 'The student said no', null],
  ])('%o is a line for people', (record, text, detail) => {
    const row = happeningRow('1', 'state', { ts: TS, ...record }, titleOf);
    expect(row).toMatchObject({ text, detail });
  });

  test('help keeps question and answer, and what the student thought of it', () => {
    const asked = { ts: TS, id: 'a', step: 'one', mode: 'hints', source: 'model' };
    const rows = helpRows([
      { ...asked, outcome: 'answered', question: 'why?', response: 'because' },
      { ts: TS, rated: 'a', useful: false },
      { ts: TS, rated: 'unknown', useful: true },
      { ...asked, id: 'b', source: 'author', outcome: 'answered', question: '', response: 'try' },
    ]);
    expect(rows).toMatchObject([
      { id: 'a', question: 'why?', response: 'because', useful: false },
      { id: 'b', question: null, response: 'try', useful: null },
    ]);
  });

  test('what is of no interest is no line', () => {
    expect(happeningRow('1', 'state', { ts: TS, event: 'from_the_future' }, titleOf)).toBeNull();
  });
});

describe('the filter', () => {
  const all = { text: '', failedOnly: false, terminal: null };
  test.each([
    [command('git push'), all, true],
    [command('git push'), { ...all, text: 'PUSH git' }, true],
    [command('git push'), { ...all, text: 'pull' }, false],
    [command('git push'), { ...all, failedOnly: true }, false],
    [command('git push', 1), { ...all, failedOnly: true }, true],
    [command('ls', 0, 'two'), { ...all, terminal: 'main' }, false],
  ])('%#', (row, filter, expected) => expect(matches(row, filter)).toBe(expected));
});

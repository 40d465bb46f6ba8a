import { describe, expect, it } from 'vitest';
import type { Cast, CastEvent } from './cast';
import { chaptersOf, commandAt, labelOf, search, sectionsOf, type Chapter } from './chapters';
import type { Command } from './protocol';

const STARTED = 1_700_000_000;

function cast(...events: CastEvent[]): Cast {
  const header = { cols: 80, rows: 24, started: STARTED, title: null };
  return { header, events, skipped: 0 };
}

const mark = (time: number, text: string): CastEvent => ({ time, kind: 'marker', text });
const enter = (time: number): CastEvent => ({ time, kind: 'entered' });
const output = (time: number): CastEvent => ({ time, kind: 'output', text: '.' });

function ran(seconds: number, cmd: string, more: Partial<Command> = {}): Command {
  const ts = new Date((STARTED + seconds) * 1000).toISOString();
  return { ts, cmd, exit: 0, ms: 100, term: 'main', ...more };
}

function commands(chapters: Chapter[]) {
  return chapters.filter((chapter) => chapter.kind === 'command');
}

describe('chapters', () => {
  it('are the steps, the outcomes of checks and the commands', () => {
    const recorded = cast(
      mark(0, 'step look-around'),
      mark(5, '$ ls -l'),
      mark(6, 'check look-around: failed'),
      mark(9, '12 bytes are not recorded: the disk was too slow'),
    );
    expect(chaptersOf(recorded, [ran(4.9, 'ls -l', { exit: 2, cwd: '/tmp' })], 'main')).toEqual([
      { kind: 'step', at: 0, step: 'look-around' },
      { kind: 'command', at: 4.9, end: 5, text: 'ls -l', exit: 2, ms: 100, cwd: '/tmp' },
      { kind: 'check', at: 6, step: 'look-around', outcome: 'failed' },
      { kind: 'note', at: 9, text: '12 bytes are not recorded: the disk was too slow' },
    ]);
  });

  it('place a command where it was typed: its end without its run time', () => {
    const [sleep] = commands(
      chaptersOf(cast(mark(40, '$ sleep 30')), [ran(40, 'sleep 30', { ms: 30_000 })], 'main'),
    );
    expect(sleep).toMatchObject({ at: 10, end: 40 });
  });

  it('place a command where its line was entered, when that is recorded', () => {
    const recorded = cast(enter(3), mark(3.4, '$ ls'), enter(20), mark(50.1, '$ make'));
    const log = [ran(3.2, 'ls', { ms: 4 }), ran(50, 'make', { ms: 30_000 })];
    expect(commands(chaptersOf(recorded, log, 'main')).map((each) => each.at)).toEqual([3, 20]);
  });

  it('do not take a line of long before, such as one typed ahead', () => {
    const recorded = cast(enter(1), enter(2), mark(31, '$ ls'));
    const [ls] = commands(chaptersOf(recorded, [ran(31, 'ls', { ms: 5 })], 'main'));
    expect(ls?.at).toBeCloseTo(30.995);
  });

  it('know a command by its marker alone when the log does not', () => {
    const recorded = cast(enter(2), mark(3, '$ ls -a'));
    expect(chaptersOf(recorded, [], 'main')).toEqual([
      { kind: 'command', at: 2, end: 3, text: 'ls -a' },
    ]);
  });

  it('join repeated commands in their order', () => {
    const recorded = cast(mark(1, '$ make'), mark(2, '$ make'), mark(3, '$ make'));
    const log = [1, 2, 3].map((at) => ran(at, 'make', { exit: at, ms: 0 }));
    expect(commands(chaptersOf(recorded, log, 'main')).map((each) => each.exit)).toEqual([1, 2, 3]);
  });

  it('take no command of another terminal or another time', () => {
    const log = [
      ran(5, 'ls', { term: 'other', exit: 1 }),
      ran(5000, 'ls', { exit: 2 }),
      ran(5.2, 'ls', { exit: 3 }),
    ];
    const [ls] = commands(chaptersOf(cast(mark(5, '$ ls')), log, 'main'));
    expect(ls?.exit).toBe(3);
  });

  it('show the whole of a command that its marker cuts', () => {
    const long = `echo ${'x'.repeat(200)}\nsecond\tline`;
    const recorded = cast(mark(5, labelOf(long)));
    expect(labelOf(long)).toHaveLength(80);
    expect(commands(chaptersOf(recorded, [ran(5, long)], 'main'))[0]?.text).toBe(long);
  });

  it.each([
    ['ls', '$ ls'],
    ['a\nb\tc', '$ a b c'],
    ['echo 😀 \u{202e}x', '$ echo 😀  x'],
    ['😀'.repeat(100), `$ ${'😀'.repeat(78)}`],
    ['x'.repeat(77) + '  tail', `$ ${'x'.repeat(77)}`],
  ])('name a command as the daemon marks it: %j', (command, label) => {
    expect(labelOf(command)).toBe(label);
  });

  it('of a file of another program are the commands typed meanwhile', () => {
    const recorded = cast(output(1), output(60));
    const log = [ran(-5, 'before'), ran(10, 'ls', { ms: 500 }), ran(100, 'after', { ms: 1 })];
    expect(chaptersOf(recorded, log, null)).toEqual([
      { kind: 'command', at: 9.5, end: 10, text: 'ls', exit: 0, ms: 500 },
    ]);
    expect(chaptersOf(recorded, log, 'main')).toEqual([]);
  });

  it('of a cast without marks, times and commands are none', () => {
    const recorded = cast(output(1));
    recorded.header.started = null;
    expect(chaptersOf(recorded, [ran(0.5, 'ls')], null)).toEqual([]);
  });

  it('of hostile marks are short lines of text', () => {
    const [first, second, third] = chaptersOf(
      cast(
        mark(1, '\u001b]0;title\u0007 <b>\n'),
        mark(2, 'x'.repeat(1e6)),
        mark(3, 'check ../../x: passed'),
      ),
      [],
      'main',
    );
    expect(first).toEqual({ kind: 'note', at: 1, text: ']0;title  <b>' });
    expect(second?.kind === 'note' && second.text.length).toBeLessThan(300);
    expect(third?.kind).toBe('note');
  });
});

describe('sections', () => {
  const sections = sectionsOf([
    { kind: 'command', at: 0, end: 0, text: 'git init' },
    { kind: 'step', at: 1, step: 'a' },
    { kind: 'command', at: 2, end: 2, text: 'git commit -m "First"' },
    { kind: 'check', at: 3, step: 'a', outcome: 'passed' },
    { kind: 'step', at: 4, step: 'b' },
  ]);

  it('are what happened in each step', () => {
    expect(sections.map((each) => [each.step, each.chapters.length])).toEqual([
      [null, 1],
      ['a', 2],
      ['b', 0],
    ]);
    expect(sectionsOf([])).toEqual([]);
  });

  it('are searched for commands with every word', () => {
    expect(search(sections, ' ')).toHaveLength(3);
    const found = search(sections, 'FIRST git');
    expect(found.map((each) => each.step)).toEqual(['a']);
    expect(found[0]?.chapters).toHaveLength(1);
    expect(search(sections, 'nowhere')).toEqual([]);
  });
});

describe('the command at a moment', () => {
  const typed = [2, 4, 8].map((at) => ({
    kind: 'command' as const,
    at,
    end: at + 1,
    text: `c${at}`,
  }));

  it('is the one that was typed last', () => {
    expect([0, 2, 3, 4, 7.9, 100].map((time) => commandAt(typed, time)?.text)).toEqual([
      undefined,
      'c2',
      'c2',
      'c4',
      'c4',
      'c8',
    ]);
  });
});

import { describe, expect, test, vi } from 'vitest';
import { attention } from './attention';
import { allowed, choices, openRequest, terminalsNamed, watchedSentence } from './consent';
import { ago, clock, runTime } from './durations';
import type { Source } from './feed';
import { LiveCast, type LiveStatus } from './live-cast';
import { momentOf } from './moment';
import type { Permission, RecordingInfo, Watching } from './protocol';

const TS = '2026-01-31T12:00:00.000Z';

class FakeSource implements Source {
  readyState = 1;
  closed = false;
  private readonly listeners = new Map<string, ((event: MessageEvent<string>) => void)[]>();

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener]);
  }

  emit(type: string, data: unknown = ''): void {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    const event = new MessageEvent<string>(type, { data: text });
    this.listeners.get(type)?.forEach((listener) => listener(event));
  }

  close(): void {
    this.closed = true;
  }
}

test.each([
  [0, '0:00'],
  [62, '1:02'],
  [3750, '1:02:30'],
  [-5, '0:00'],
])('%d seconds are %s', (seconds, text) => expect(clock(seconds)).toBe(text));

test.each([
  [null, ''],
  [40, ''],
  [1250, '1.3 s'],
  [90_000, '1:30'],
])('a run time of %s ms is “%s”', (milliseconds, text) => expect(runTime(milliseconds)).toBe(text));

test.each([
  [3_000, 'just now'],
  [47_000, '40 s ago'],
  [240_000, '4 min ago'],
  [7_300_000, '2 h ago'],
])('%d ms before now is %s', (milliseconds, text) =>
  expect(ago(TS, Date.parse(TS) + milliseconds)).toBe(text),
);

describe('the moment of a command', () => {
  const recording = (name: string, started: string, more: Partial<RecordingInfo> = {}) => ({
    name,
    started,
    terminal: 'main',
    bytes: 1,
    live: false,
    durationMs: 600_000,
    ...more,
  });
  const recordings = [
    recording('new', '2026-01-31T11:59:00.000Z', { live: true }),
    recording('old', '2026-01-31T11:00:00.000Z'),
    recording('other', '2026-01-31T11:59:30.000Z', { terminal: 'two' }),
  ];

  test('is in the newest recording of its terminal that began before it', () => {
    const found = momentOf({ ts: TS, ms: 10_000, term: 'main' }, recordings);
    expect(found?.recording.name).toBe('new');
    expect(found?.at).toBe(48); // 60 s in, 10 s of run time and 2 s of lead before
  });

  test('is nowhere when nothing was recorded then', () => {
    expect(
      momentOf({ ts: '2026-01-31T10:00:00.000Z', ms: 0, term: 'main' }, recordings),
    ).toBeNull();
    expect(
      momentOf({ ts: '2026-01-31T11:30:00.000Z', ms: 0, term: 'main' }, recordings),
    ).toBeNull();
    expect(momentOf({ ts: TS, ms: 0, term: 'three' }, recordings)).toBeNull();
  });
});

describe('consent', () => {
  const permission = (kind: Permission['kind'], status: Permission['status']): Permission => ({
    id: '1',
    kind,
    terminal: 'main',
    status,
    since: TS,
  });
  const watching = (more: Partial<Watching>): Watching => ({
    setting: 'always',
    mode: 'always',
    permissions: [],
    watched: [],
    ...more,
  });

  test('nothing is said while nobody looks', () =>
    expect(watchedSentence(watching({}))).toBeNull());

  test('who looks is said, and typing before looking', () => {
    expect(watchedSentence(watching({ watched: ['main', 'two'] }))).toBe(
      'An instructor is watching “main” and “two”.',
    );
    const typing = watching({
      watched: ['main'],
      permissions: [permission('watch', 'allowed'), permission('assist', 'allowed')],
    });
    expect(allowed(typing)?.kind).toBe('assist');
    expect(watchedSentence(typing)).toContain('may type');
  });

  test('only an open question is asked', () => {
    expect(openRequest(watching({ permissions: [permission('watch', 'declined')] }))).toBeNull();
    const asked = permission('assist', 'requested');
    expect(openRequest(watching({ permissions: [asked] }))).toBe(asked);
  });

  test('a student may choose less, never more', () => {
    expect(choices('always')).toEqual(['always', 'ask', 'off']);
    expect(choices('ask')).toEqual(['ask', 'off']);
    expect(choices('off')).toEqual(['off']);
  });

  test('terminals are named as in a sentence', () =>
    expect(terminalsNamed(['a', 'b', 'c'])).toBe('“a”, “b” and “c”'));
});

describe('the bell', () => {
  test('rings once for a hand that is raised while somebody looks, when it may', () => {
    const play = vi.fn();
    const bell = attention(play);
    bell.hand(TS, true); // it was up when the page opened
    bell.hand(TS, true);
    expect(play).not.toHaveBeenCalled();
    bell.hand(null, true);
    bell.hand('2026-01-31T12:01:00.000Z', false); // the sound is off
    expect(play).not.toHaveBeenCalled();
    bell.hand(null, true);
    bell.hand('2026-01-31T12:02:00.000Z', true);
    bell.hand('2026-01-31T12:02:00.000Z', true);
    expect(play).toHaveBeenCalledOnce();
  });
});

describe('a live cast', () => {
  function open() {
    const source = new FakeSource();
    const seen: string[] = [];
    const statuses: LiveStatus[] = [];
    const cast = new LiveCast(() => source, {
      resize: (cols, rows) => seen.push(`${cols}x${rows}`),
      output: (text) => seen.push(text),
      status: (status) => statuses.push(status),
    });
    return { source, seen, statuses, cast };
  }

  test('draws the header’s size, the screen, and what happens', () => {
    const { source, seen, statuses } = open();
    source.emit('message', { version: 2, width: 80, height: 24 });
    source.emit('message', [0, 'o', 'screen']);
    source.emit('message', [1, 'r', '100x30']);
    source.emit('message', [2, 'm', 'a marker']);
    source.emit('message', 'junk');
    source.emit('message', [3, 'o', 'more']);
    expect(seen).toEqual(['80x24', 'screen', '100x30', 'more']);
    expect(statuses).toEqual(['connecting', 'live']);
  });

  test('tells a lost connection from an ended view', () => {
    const { source, statuses, cast } = open();
    source.emit('error');
    source.readyState = 2;
    source.emit('error');
    expect(statuses).toEqual(['connecting', 'away', 'ended']);
    cast.stop();
    expect(source.closed).toBe(true);
  });
});

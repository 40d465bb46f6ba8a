import { flushSync } from 'svelte';
import { describe, expect, it } from 'vitest';
import { Api } from './api';
import type { RecordingInfo } from './protocol';
import {
  clock,
  deleteQuestion,
  lengthWords,
  lightOf,
  recordingDate,
  recordingTitle,
  runTime,
  sizeWords,
} from './recording-words';
import { formatPlace, parsePlace } from './recordings-address';
import { Recordings } from './recordings.svelte';
import { replayAction } from './replay-keys';

const NOW = new Date(2026, 2, 10, 12, 0);

function recording(more: Partial<RecordingInfo> = {}): RecordingInfo {
  return { name: 'session-x-main.cast', terminal: 'main', bytes: 1, live: false, ...more };
}

describe('the address of the recordings', () => {
  it.each([
    [{ name: null, at: null }, '#recordings'],
    [{ name: 'a.cast', at: null }, '#recordings/a.cast'],
    [{ name: 'a b/ü?.cast', at: 12.5 }, '#recordings/a%20b%2F%C3%BC%3F.cast?t=12.5'],
    [{ name: 'a.cast', at: 35.564 }, '#recordings/a.cast?t=35.564'],
  ])('%j', (place, fragment) => {
    expect(formatPlace(place)).toBe(fragment);
    expect(parsePlace(fragment)).toEqual(place);
  });

  it.each(['', '#text', '#recording', '#recordingsx/a', 'recordings'])('is not %j', (fragment) => {
    expect(parsePlace(fragment)).toBeNull();
  });

  it.each(['t=', 't=-1', 't=x', 't=1e9', 'u=5', ''])('without a moment has none: %j', (query) => {
    expect(parsePlace(`#recordings/a.cast?${query}`)).toEqual({ name: 'a.cast', at: null });
  });

  it('that is damaged is the list', () => {
    expect(parsePlace('#recordings/%E0%A4%A')).toEqual({ name: null, at: null });
  });
});

describe('words', () => {
  it('for the light', () => {
    const kind = (mode: 'on' | 'paused' | 'off', ...codes: string[]) =>
      lightOf({
        recording: mode,
        problems: codes.map((code) => ({ code, message: `${code} is broken.` })),
      }).kind;
    expect(kind('on')).toBe('on');
    expect(kind('on', 'goss_missing')).toBe('on');
    expect(kind('on', 'recording_main')).toBe('stopped');
    expect(kind('paused', 'recording_main')).toBe('paused');
    expect(kind('off')).toBe('off');
  });

  it('for a recording', () => {
    const build = { name: 'build', title: 'Watch', cols: 1, rows: 1, clients: 0, running: true };
    expect(recordingTitle(recording(), [build])).toBe('Terminal');
    expect(recordingTitle(recording({ terminal: 'build' }), [])).toBe('build');
    expect(recordingTitle(recording({ terminal: 'build' }), [build])).toBe('Watch');
    const foreign = { name: 'demo.of.mine.cast', bytes: 1, live: false };
    expect(recordingTitle(foreign, [build])).toBe('demo.of.mine');
  });

  it('for when it began', () => {
    const at = (...when: [number, number, number, number, number]) =>
      recordingDate(new Date(...when).toISOString(), NOW, 'en-GB');
    expect(at(2026, 2, 10, 9, 5)).toBe('Today, 09:05');
    expect(at(2026, 2, 9, 23, 59)).toBe('Yesterday, 23:59');
    expect(at(2026, 0, 31, 14, 22)).toBe('31 January, 14:22');
    expect(at(2025, 11, 24, 18, 0)).toBe('24 December 2025, 18:00');
    expect(recordingDate(undefined, NOW)).toBe('At an unknown time');
  });

  it.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1000, '1.0 KB'],
    [12_345, '12 KB'],
    [60_000_000, '60 MB'],
    [2.5e9, '2.5 GB'],
    [5e15, '5000000 GB'],
  ])('for %d bytes', (bytes, words) => expect(sizeWords(bytes)).toBe(words));

  it.each([
    [0, '0:00', '0 seconds'],
    [7.9, '0:07', '8 seconds'],
    [1, '0:01', '1 second'],
    [723, '12:03', '12 minutes'],
    [3723, '1:02:03', '1 hour 2 minutes'],
    [7200, '2:00:00', '2 hours'],
    [3599.9, '59:59', '1 hour'],
  ])('for %d seconds', (seconds, place, length) => {
    expect(clock(seconds)).toBe(place);
    expect(lengthWords(seconds)).toBe(length);
  });

  it.each([
    [undefined, ''],
    [999, ''],
    [1234, '1.2 s'],
    [12_345, '12 s'],
    [75_000, '1 min 15 s'],
    [7_500_000, '2 h 5 min'],
  ])('for a run of %d ms', (ms, words) => expect(runTime(ms)).toBe(words));

  it('for the question before a recording is deleted', () => {
    const started = NOW.toISOString();
    const [when] = deleteQuestion(recording({ started, durationMs: 61_000 }), 'Watch', NOW).text;
    expect(when).toMatch(/^Today, .*, 1 minute\.$/);
    expect(deleteQuestion(recording(), 'Watch', NOW).text).toHaveLength(2);
    const live = deleteQuestion(recording({ live: true }), 'Watch', NOW).text;
    expect(live[2]).toMatch(/a new recording begins/);
  });
});

describe('the list of recordings', () => {
  let left = [recording({ name: 'old.cast' }), recording({ name: 'new.cast' })];
  let refuses = false;
  const asked: string[] = [];
  const recordings = new Recordings(
    new Api((url, init) => {
      asked.push(`${init?.method} ${url}`);
      if (refuses)
        return Promise.resolve(
          Response.json({ error: { code: 'no_room', message: 'No room.' } }, { status: 507 }),
        );
      if (init?.method === 'DELETE') {
        left = left.filter((each) => !url.endsWith(each.name));
        return Promise.resolve(new Response(null, { status: 204 }));
      }
      return Promise.resolve(Response.json(left));
    }),
  );

  it('has the newest first', async () => {
    await recordings.load();
    flushSync();
    expect(recordings.all?.map((each) => each.name)).toEqual(['new.cast', 'old.cast']);
    expect(recordings.find('old.cast')?.name).toBe('old.cast');
    expect(recordings.find('other.cast')).toBeNull();
  });

  it('deletes', async () => {
    await recordings.delete('new.cast');
    expect(asked).toContain('DELETE /api/recordings/new.cast');
    expect(recordings.all?.map((each) => each.name)).toEqual(['old.cast']);
    expect(recordings.failure).toBeNull();
  });

  it('says what did not work and keeps what it has', async () => {
    refuses = true;
    await recordings.delete('old.cast');
    expect(recordings.failure).toBe('No room.');
    expect(recordings.all).toHaveLength(1);
  });
});

describe('a key', () => {
  const pressed = (key: string, more = {}) => ({
    key,
    shiftKey: false,
    ctrlKey: false,
    altKey: false,
    metaKey: false,
    ...more,
  });
  const element = (html: string) => {
    const box = document.createElement('div');
    box.innerHTML = html;
    return box.firstElementChild ?? box;
  };

  it('does what it says', () => {
    const page = element('<div></div>');
    expect(replayAction(pressed(' '), page)).toEqual({ kind: 'toggle' });
    expect(replayAction(pressed('ArrowLeft'), page)).toEqual({ kind: 'move', seconds: -5 });
    expect(replayAction(pressed('ArrowRight', { shiftKey: true }), page)).toEqual({
      kind: 'move',
      seconds: 30,
    });
    expect(replayAction(pressed(']'), page)).toEqual({ kind: 'command', direction: 1 });
    expect(replayAction(pressed('x'), page)).toBeNull();
  });

  it('belongs to the browser with Ctrl, Alt or Meta', () => {
    expect(replayAction(pressed('f', { ctrlKey: true }), element('<p></p>'))).toBeNull();
  });

  it('belongs to a field one types in', () => {
    for (const html of ['<input type="search">', '<select></select>', '<textarea></textarea>'])
      expect(replayAction(pressed(' '), element(html))).toBeNull();
  });

  it('presses the button it is pressed on', () => {
    for (const html of ['<button></button>', '<input type="checkbox">'])
      expect(replayAction(pressed(' '), element(html))).toBeNull();
    expect(replayAction(pressed('ArrowLeft'), element('<input type="range">'))?.kind).toBe('move');
    expect(replayAction(pressed('k'), element('<button></button>'))?.kind).toBe('toggle');
  });
});

import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Size } from './cast';
import type { Playback, PlaybackScreen } from './playback';
import type { Command } from './protocol';
import type { ReplayPlayer } from './replay-player';
import type { LiveSource } from './replay-source';
import { Replay, type ReplayAddresses } from './replay.svelte';
import type { Theme } from './theme';

const STARTED = 1_700_000_000;
const HEADER = `{"version":2,"width":80,"height":24,"timestamp":${STARTED}}\n`;
const CAST = [
  '[0.1,"o","prompt "]',
  '[0.2,"m","step a"]',
  '[1,"i","ls\\r"]',
  '[1.1,"o","ls files "]',
  '[1.2,"m","$ ls"]',
  '[9,"i","make\\r"]',
  '[9.1,"o","make broken "]',
  '[12,"m","$ make"]',
  '[12.5,"m","check a: failed"]',
  '[13,"o","end"]',
  '',
].join('\n');

function ran(seconds: number, cmd: string, more: Partial<Command> = {}): Command {
  const ts = new Date((STARTED + seconds) * 1000).toISOString();
  return { ts, cmd, exit: 0, ms: 100, term: 'main', ...more };
}

/** What the daemon would send; nobody answers at another address. */
const answers: Record<string, { status: number; body: string }> = {};

function answer(url: string): Promise<Response> {
  if (url.startsWith('data:')) return fetch(url);
  const found = answers[url];
  if (!found) return Promise.reject(new TypeError('Failed to fetch'));
  return Promise.resolve(new Response(found.body, { status: found.status }));
}

class Stream implements LiveSource {
  readyState = 1;
  closed = false;
  private readonly listeners = new Map<string, (event: MessageEvent<string>) => void>();

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener);
  }

  close(): void {
    this.closed = true;
  }

  send(type: string, data: unknown): void {
    this.listeners.get(type)?.(new MessageEvent(type, { data: JSON.stringify(data) }));
  }
}

/** The player's screen as text. */
class FakePlayer implements ReplayPlayer, PlaybackScreen {
  text = '';
  theme: Theme = 'light';
  disposed = false;

  open(playback: Playback): Promise<ReplayPlayer> {
    playback.attach(this);
    return Promise.resolve(this);
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
  }

  dispose(): void {
    this.disposed = true;
  }

  reset(): void {
    this.text = '';
  }

  output(texts: string[]): void {
    this.text += texts.join('');
  }

  resize({ cols, rows }: Size): void {
    this.text += `[${cols}x${rows}]`;
  }

  moving(): void {
    // It does not show whether it moves.
  }
}

let replay: Replay;
let stream: Stream;
let player: FakePlayer;

async function open(at: number | null = null, more: Partial<ReplayAddresses> = {}): Promise<void> {
  replay = new Replay(
    { cast: '/cast', commands: '/commands', terminal: 'main', ...more },
    { fetch: answer, open: () => stream, player: (_stage, playback) => player.open(playback) },
  );
  await replay.open(document.createElement('div'), 'light', at);
  flushSync();
}

beforeEach(() => {
  stream = new Stream();
  player = new FakePlayer();
  answers['/cast'] = { status: 200, body: HEADER + CAST };
  answers['/commands'] = {
    status: 200,
    body: JSON.stringify([ran(1.2, 'ls'), ran(12, 'make', { exit: 2, ms: 3000 })]),
  };
});

afterEach(() => replay.close());

describe('a replay', () => {
  it('stands at its beginning with the commands joined', async () => {
    await open();
    expect(replay.phase).toEqual({ kind: 'ready' });
    expect(player.text).toBe('prompt ');
    expect(replay.mode).toBe('paused');
    expect(replay.isFresh).toBe(true);
    expect(replay.commands).toMatchObject([
      { text: 'ls', exit: 0 },
      { text: 'make', exit: 2, ms: 3000 },
    ]);
    expect(replay.current).toBeNull();
  });

  it('begins at a moment of a link', async () => {
    await open(9.5);
    expect(player.text).toBe('prompt ls files make broken ');
    expect(replay.current?.text).toBe('make');
    expect(replay.isFresh).toBe(false);
  });

  it('shows the moment of a command, and the ones before and behind it', async () => {
    await open();
    replay.moveByCommand(1);
    expect([player.text, replay.current?.text]).toEqual(['prompt ', 'ls']);
    replay.moveByCommand(1);
    expect([player.text, replay.current?.text]).toEqual(['prompt ls files ', 'make']);
    replay.moveByCommand(1);
    expect(replay.current?.text).toBe('make');
    replay.moveByCommand(-1);
    expect(replay.current?.text).toBe('ls');
    replay.moveByCommand(-1);
    expect([replay.time, replay.current]).toEqual([0, null]);
  });

  it('moves by seconds that are shown', async () => {
    await open(1.1);
    expect(replay.shown(replay.duration)).toBeCloseTo(5.2);
    replay.move(2);
    expect(replay.time).toBeCloseTo(9);
    replay.setSkipsIdle(false);
    replay.move(-5);
    expect(replay.time).toBeCloseTo(4);
  });

  it('has its speeds one after the other', async () => {
    await open();
    const speeds = [1, 1, 1, 1, -1, -1, -1, -1, -1].map((direction) => {
      replay.changeSpeed(direction as 1 | -1);
      return replay.speed;
    });
    expect(speeds).toEqual([2, 4, 8, 8, 4, 2, 1, 0.5, 0.5]);
  });

  it('is searched', async () => {
    await open();
    replay.query = 'mak';
    expect(replay.sections).toMatchObject([{ step: 'a', chapters: [{ text: 'make' }] }]);
    expect(replay.commands).toHaveLength(2);
  });

  it('says how much of it could not be read', async () => {
    answers['/cast'] = { status: 200, body: `${HEADER}broken\n${CAST}` };
    await open();
    expect(replay.notice).toMatch(/^One line/);
  });

  it('plays without a command log', async () => {
    answers['/commands'] = { status: 500, body: 'broken' };
    await open();
    expect(replay.commands.map((each) => each.text)).toEqual(['ls', 'make']);
    expect(replay.commands[0]?.exit).toBeUndefined();
  });

  it('leaves out of a log what is no command', async () => {
    answers['/commands'] = { status: 200, body: '[null, 5, {"cmd": 1}, {"cmd": "x", "ts": "?"}]' };
    await open();
    expect(replay.phase.kind).toBe('ready');
  });

  it.each([
    [404, '', /deleted/],
    [503, '', /status 503/],
    [200, 'Hello', /no asciicast header/],
    [200, '', /empty/],
  ])('says why it can not be shown: %i %j', async (status, body, sentence) => {
    answers['/cast'] = { status, body };
    await open();
    expect(replay.phase).toMatchObject({ kind: 'failed' });
    expect(replay.phase.kind === 'failed' && replay.phase.message).toMatch(sentence);
  });

  it('says that nobody answers', async () => {
    await open(null, { cast: '/nowhere' });
    expect(replay.phase.kind === 'failed' && replay.phase.message).toMatch(/cannot be reached/);
  });

  it('reads everything from addresses, also from those with data in them', async () => {
    const data = (text: string) => `data:text/plain,${encodeURIComponent(text)}`;
    await open(null, { cast: data(HEADER + CAST), commands: data('[]') });
    expect(replay.phase.kind).toBe('ready');
    expect(replay.commands).toHaveLength(2);
  });

  it('lets go of everything', async () => {
    await open(null, { live: '/live' });
    replay.close();
    expect([stream.closed, player.disposed]).toEqual([true, true]);
  });
});

describe('the replay of a live recording', () => {
  beforeEach(() => open(null, { live: '/live' }));

  it('follows it', () => {
    expect([replay.isLive, replay.mode]).toEqual([true, 'following']);
    stream.send('message', { version: 2, width: 90, height: 30, time: 20, init: 'drawn ' });
    stream.send('message', [21, 'o', 'and ']);
    stream.send('message', [21.5, 'r', { cols: 70, rows: 20 }]);
    stream.send('message', [22, 'o', 'more']);
    expect([player.text, replay.duration]).toEqual(['drawn and [70x20]more', 22]);
  });

  it('can be looked back into, and followed again', () => {
    stream.send('message', { version: 2, width: 90, height: 30, time: 20, init: 'drawn ' });
    replay.seek(1.15);
    stream.send('message', [21, 'o', 'more']);
    expect([player.text, replay.mode]).toEqual(['prompt ls files ', 'paused']);
    replay.follow();
    expect(player.text).toBe('drawn more');
  });

  it('learns of commands as they end', async () => {
    answers['/commands'] = { status: 200, body: JSON.stringify([ran(30, 'false', { exit: 1 })]) };
    stream.send('message', { version: 2, width: 90, height: 30, time: 20, init: '' });
    stream.send('message', [30, 'm', '$ false']);
    await new Promise((done) => setTimeout(done, 700));
    flushSync();
    expect(replay.commands.at(-1)).toMatchObject({ text: 'false', exit: 1 });
  });

  it('is one that ended when the stream says so', () => {
    stream.send('done', {});
    expect([replay.isLive, replay.mode, stream.closed]).toEqual([false, 'paused', true]);
  });

  it('is one that ended when it can not be followed', () => {
    stream.send('error', null);
    expect(replay.isLive).toBe(true); // it comes back by itself
    stream.readyState = 2;
    stream.send('error', null);
    expect(replay.isLive).toBe(false);
  });

  it.each([
    '{}',
    '[1]',
    'null',
    '{"width":1e9,"height":1,"time":-1}',
    '{"version":2,"width":0,"height":0,"time":1,"init":"x"}',
    '[9e99,"o","x"]',
    '[1,"r",{"cols":0,"rows":5}]',
    '[1,"r",null]',
  ])('is not disturbed by %s', (data) => {
    const { text } = player;
    stream.send('message', JSON.parse(data));
    expect(player.text).toBe(text);
  });
});

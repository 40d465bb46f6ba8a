import { beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from './api';
import { Feed, parseMessage, type Connection, type FeedMessage, type Source } from './feed';
import type { State } from './protocol';
import { makeState } from './testing';

class FakeSource implements Source {
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

  fail(readyState: number): void {
    this.readyState = readyState;
    this.listeners.get('error')?.(new MessageEvent('error'));
  }
}

const CONNECTING = 0;
const CLOSED = 2;

let sources: FakeSource[];
let connections: Connection[];
let messages: FeedMessage[];
let timers: { action: () => void; milliseconds: number }[];
let answer: () => Promise<State>;
let feed: Feed;

const newest = (): FakeSource => sources.at(-1) as FakeSource;
const settled = () => new Promise((done) => setTimeout(done, 0));

beforeEach(() => {
  sources = [];
  connections = [];
  messages = [];
  timers = [];
  answer = () => Promise.resolve(makeState());
  feed = new Feed({
    open: () => {
      sources.push(new FakeSource());
      return newest();
    },
    probe: () => answer(),
    later: (action, milliseconds) => {
      const timer = { action, milliseconds };
      timers.push(timer);
      return () => (timers = timers.filter((each) => each !== timer));
    },
    onMessage: (message) => messages.push(message),
    onConnection: (connection) => connections.push(connection),
  });
  feed.start();
});

describe('the feed', () => {
  it('is live with the first message and hands every kind on', () => {
    newest().send('state', makeState());
    newest().send('report', { step: 'a' });
    newest().send('terminal', { terminals: [] });
    expect(connections).toEqual(['live']);
    expect(messages.map(({ event }) => event)).toEqual(['state', 'report', 'terminal']);
  });

  it('says that it reconnects while the browser does so, and that it is back', () => {
    newest().send('state', makeState());
    newest().fail(CONNECTING);
    newest().fail(CONNECTING);
    newest().send('state', makeState());
    expect(connections).toEqual(['live', 'reconnecting', 'live']);
    expect(sources).toHaveLength(1);
  });

  it('opens again after the browser gave up', async () => {
    newest().send('state', makeState());
    newest().fail(CLOSED);
    await settled();
    timers[0]?.action();
    newest().send('state', makeState());
    expect(sources).toHaveLength(2);
    expect(sources[0]?.closed).toBe(true);
    expect(connections).toEqual(['live', 'reconnecting', 'live']);
  });

  it('tells a student who is not signed in, and goes on trying', async () => {
    answer = () => Promise.reject(new ApiError(401, 'unauthorized', 'No.'));
    newest().fail(CLOSED);
    await settled();
    expect(connections).toEqual(['unauthorised']);
    timers[0]?.action();
    newest().send('state', makeState());
    expect(connections).toEqual(['unauthorised', 'live']);
  });

  it('waits longer after every failure, up to a bound', async () => {
    answer = () => Promise.reject(new ApiError(0, 'unreachable', 'No.'));
    const waits: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      newest().fail(CLOSED);
      await settled();
      const timer = timers.shift();
      waits.push(timer?.milliseconds ?? -1);
      timer?.action();
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 4000, 4000]);
  });

  it('looks after sleep whether the connection is still good', async () => {
    newest().send('state', makeState());
    answer = () => Promise.reject(new ApiError(0, 'unreachable', 'No.'));
    await feed.check();
    expect(connections).toEqual(['live', 'reconnecting']);
    expect(timers).toHaveLength(1);
  });

  it('takes a state that the look brought', async () => {
    newest().send('state', makeState());
    answer = () => Promise.resolve(makeState({ viewedStep: 'b' }));
    await feed.check();
    expect(messages.at(-1)).toMatchObject({ event: 'state', data: { viewedStep: 'b' } });
  });

  it('gives up a connection from which nothing comes', async () => {
    expect(timers.map(({ milliseconds }) => milliseconds)).toEqual([15_000]);
    timers.shift()?.action();
    expect(sources[0]?.closed).toBe(true);
    await settled();
    timers.shift()?.action();
    expect(sources).toHaveLength(2);
    newest().send('state', makeState());
    expect(timers).toEqual([]);
  });

  it('gives up a connection that came back and stays silent', async () => {
    newest().send('state', makeState());
    newest().fail(CONNECTING);
    timers.shift()?.action();
    await settled();
    timers.shift()?.action();
    expect(sources).toHaveLength(2);
  });

  it('opens again also when the browser gave up during a look', async () => {
    newest().send('state', makeState());
    let reply: (state: State) => void = () => undefined;
    answer = () => new Promise((done) => (reply = done));
    const look = feed.check();
    newest().fail(CLOSED);
    reply(makeState());
    await look;
    timers.shift()?.action();
    expect(sources).toHaveLength(2);
  });

  it('ignores what a closed source still sends', () => {
    const old = newest();
    feed.start();
    old.send('state', makeState());
    expect(messages).toEqual([]);
  });

  it('reads no message from what is no object', () => {
    expect(parseMessage('state', 'null')).toBeNull();
    expect(parseMessage('state', '{"torn')).toBeNull();
  });
});

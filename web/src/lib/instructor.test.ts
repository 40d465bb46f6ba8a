import { beforeEach, expect, test } from 'vitest';
import { ApiError } from './api';
import type { Source } from './feed';
import type { InstructorApi } from './instructor-api';
import { StudentView } from './instructor.svelte';
import type { InstructorStatus } from './protocol';

class FakeSource implements Source {
  readyState = 1;
  private readonly listeners = new Map<string, (event: MessageEvent<string>) => void>();

  constructor(readonly after: string) {}

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener);
  }

  emit(type: string, data: object, lastEventId = ''): void {
    this.listeners.get(type)?.(
      new MessageEvent<string>(type, { data: JSON.stringify(data), lastEventId }),
    );
  }

  close(): void {
    this.readyState = 2;
  }
}

const TS = '2026-01-31T12:00:00.000Z';

function status(more: Partial<InstructorStatus> = {}): InstructorStatus {
  return {
    id: '0-0',
    ts: TS,
    session: 's-1',
    boot: 'b-1',
    workshop: 'hello',
    title: 'Hello',
    navigationMode: 'linear',
    activeStep: 'a',
    viewedStep: 'a',
    steps: [],
    completed: 0,
    total: 2,
    finished: false,
    connected: 1,
    running: true,
    stuck: [],
    host: { attached: true },
    watching: { setting: 'always', mode: 'always', permissions: [], watched: [] },
    terminals: [],
    recording: 'on',
    problems: [],
    ...more,
  };
}

let sources: FakeSource[];
let later: (() => void)[];
let refusal: ApiError | null;
let view: StudentView;

beforeEach(() => {
  sources = [];
  later = [];
  refusal = null;
  const api = {
    status: () => (refusal ? Promise.reject(refusal) : Promise.resolve(status())),
    lowerHand: () => Promise.reject(new ApiError(507, 'storage_full', 'The disk is full.')),
  };
  view = new StudentView({
    api: api as unknown as InstructorApi,
    open: (after) => {
      const source = new FakeSource(after);
      sources.push(source);
      return source;
    },
    later: (action) => {
      later.push(action);
      return () => undefined;
    },
    soon: (action) => action(),
  });
  view.start();
});

function source(): FakeSource {
  const last = sources.at(-1);
  if (!last) throw new Error('no feed was opened');
  return last;
}

test('it begins with the first fact and shows what comes', () => {
  expect(source().after).toBe('0-0');
  source().emit('status', status());
  source().emit('state', { ts: TS, event: 'step_viewed', step: 'a' }, '10-0');
  source().emit('command', { ts: TS, cmd: 'ls', exit: 0 }, '10-5');
  expect(view.status?.title).toBe('Hello');
  expect(view.commands).toMatchObject([{ id: '10-5', cmd: 'ls', step: 'a' }]);
  expect(view.happenings).toMatchObject([{ kind: 'step' }]);
  expect(view.connection).toBe('live');
});

test('a feed that gave up is opened again behind the last message', async () => {
  source().emit('status', status());
  source().emit('command', { ts: TS, cmd: 'ls', exit: 0 }, '10-5');
  source().readyState = 2;
  source().emit('error', {});
  await Promise.resolve();
  await Promise.resolve();
  expect(view.connection).toBe('reconnecting');
  later.at(-1)?.();
  expect(source().after).toBe('10-5');
});

test('a wrong token is told from a daemon that is away', async () => {
  refusal = new ApiError(401, 'unauthorized', 'No.');
  source().readyState = 2;
  source().emit('error', {});
  await new Promise((done) => setTimeout(done));
  expect(view.connection).toBe('unauthorised');
});

test('another session at the same address begins anew', () => {
  source().emit('status', status());
  source().emit('command', { ts: TS, cmd: 'ls', exit: 0 }, '10-5');
  source().emit('status', status({ session: 's-2' }), '3-0');
  expect(view.commands).toEqual([]);
  expect(source().after).toBe('0-0');
});

test('what is refused becomes a sentence', async () => {
  await view.lowerHand('');
  expect(view.failure).toBe('The disk is full.');
});

test('a raised hand is announced', () => {
  source().emit('status', status());
  source().emit('status', status({ hand: { since: TS, note: 'help' } }));
  expect(view.announcement).toBe('The student raised a hand: help');
});

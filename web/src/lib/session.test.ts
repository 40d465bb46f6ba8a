import { flushSync } from 'svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import { Api } from './api';
import type { Source } from './feed';
import type { Report, State, StepSummary } from './protocol';
import { Session } from './session.svelte';
import { makeReport, makeState, makeStep, makeTransition, makeWorkshop } from './testing';

/** A daemon that answers what the test put into it and keeps what it was asked. */
class FakeDaemon {
  state = makeState();
  steps: StepSummary[] = [
    makeStep('a', 0),
    makeStep('b', 1, { accessible: false, reason: 'Complete “A” first.' }),
  ];
  report = makeReport();
  refuse: Record<string, { status: number; message: string }> = {};
  asked: string[] = [];
  private readonly listeners = new Map<string, (event: MessageEvent<string>) => void>();

  readonly api = new Api((url, init) => Promise.resolve(this.answer(`${init?.method} ${url}`)));

  source(): Source {
    return {
      readyState: 1,
      addEventListener: (type, listener) => this.listeners.set(type, listener),
      close: () => this.listeners.clear(),
    };
  }

  feed(event: string, data: unknown): void {
    this.listeners.get(event)?.(new MessageEvent(event, { data: JSON.stringify(data) }));
    flushSync();
  }

  change(more: Partial<State>): void {
    this.state = { ...this.state, ...more };
    this.feed('state', this.state);
  }

  private answer(request: string): Response {
    this.asked.push(request);
    const refused = this.refuse[request];
    if (refused) {
      const error = { code: 'refused', message: refused.message };
      return Response.json({ error }, { status: refused.status });
    }
    if (request === 'GET /api/steps') return Response.json(this.steps);
    if (request === 'GET /api/state') return Response.json(this.state);
    if (request === 'GET /api/workshop') return Response.json(makeWorkshop());
    if (request.endsWith('/content')) return new Response('# A title\n\nSome text.');
    if (request.endsWith('/validate')) return Response.json(this.report);
    if (request === 'POST /api/terminals')
      return Response.json({ name: 'build', cols: 80, rows: 24, clients: 0, running: true });
    return Response.json({});
  }
}

let daemon: FakeDaemon;
let session: Session;
let timers: (() => void)[];

/** Lets every answer that is on its way arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((done) => setTimeout(done, 0));
  flushSync();
}

function complete(id: string): void {
  daemon.steps = daemon.steps.map((step) => ({
    ...step,
    completed: step.completed || step.id === id,
    accessible: true,
  }));
  daemon.change({ completedSteps: [...daemon.state.completedSteps, id] });
}

beforeEach(async () => {
  daemon = new FakeDaemon();
  timers = [];
  session = new Session({
    api: daemon.api,
    open: () => daemon.source(),
    later: (action) => {
      timers.push(action);
      return () => (timers = timers.filter((each) => each !== action));
    },
  });
  session.start();
  daemon.feed('state', daemon.state);
  await settled();
});

describe('a session', () => {
  it('loads workshop, steps and the viewed step’s text', () => {
    expect(session.connection).toBe('live');
    expect(session.workshop?.title).toBe('Hello');
    expect(session.step?.id).toBe('a');
    expect(session.text).toMatchObject({
      kind: 'ready',
      step: 'a',
      rendered: { title: 'A title' },
    });
  });

  it('pauses recording and says when that did not work', async () => {
    await session.pauseRecording(true);
    expect(daemon.asked.at(-1)).toBe('POST /api/recording');
    expect(session.failure).toBeNull();
    daemon.refuse['POST /api/recording'] = { status: 507, message: 'No room.' };
    await session.pauseRecording(false);
    expect(session.failure).toBe('No room.');
  });

  it('asks again for what could not be loaded while the feed goes on', async () => {
    const refusal = { status: 503, message: 'Not now.' };
    daemon.refuse = { 'GET /api/workshop': refusal, 'GET /api/steps': refusal };
    const other = new Session({
      api: daemon.api,
      open: () => daemon.source(),
      later: (action) => {
        timers.push(action);
        return () => (timers = timers.filter((each) => each !== action));
      },
    });
    other.start();
    daemon.feed('state', daemon.state);
    await settled();
    expect(other.connection).toBe('live');
    expect([other.workshop, other.steps]).toEqual([null, []]);
    daemon.refuse = {};
    timers.at(-1)?.();
    await settled();
    expect(other.workshop?.title).toBe('Hello');
    expect(other.step?.id).toBe('a');
    other.stop();
  });

  it('does not ask for the steps again when nothing of them changed', async () => {
    daemon.change({ connected: 2 });
    await settled();
    expect(daemon.asked.filter((each) => each === 'GET /api/steps')).toHaveLength(1);
  });

  it('says why a step is locked and asks the daemon for nothing', async () => {
    const before = daemon.asked.length;
    await session.view('b');
    expect(session.lockedStep).toBe('b');
    expect(session.viewed).toBe('a');
    expect(daemon.asked).toHaveLength(before);
  });

  it('shows a step at once and follows the daemon afterwards', async () => {
    complete('a');
    await settled();
    const viewing = session.view('b');
    expect(session.viewed).toBe('b');
    await viewing;
    daemon.change({ viewedStep: 'b' });
    daemon.change({ viewedStep: 'a' });
    expect(session.viewed).toBe('a');
  });

  it('stays where it was when the daemon refuses a view, and says so', async () => {
    complete('a');
    await settled();
    daemon.refuse['POST /api/steps/b/view'] = { status: 507, message: 'The disk is full.' };
    await session.view('b');
    await settled();
    expect(session.viewed).toBe('a');
    expect(session.failure).toBe('The disk is full.');
    expect(session.text).toMatchObject({ step: 'a' });
  });

  it('celebrates the viewed step when it becomes complete, once', async () => {
    complete('a');
    await settled();
    expect(session.celebrated).toBe('a');
    expect(session.announcement).toBe('Step completed: A.');
    expect(session.next?.id).toBe('b');
    await session.view('b');
    expect(session.celebrated).toBeNull();
  });

  it('celebrates nothing that was complete before the page came', async () => {
    const late = new Session({
      api: daemon.api,
      open: () => daemon.source(),
      later: () => () => 0,
    });
    late.start();
    daemon.change({ completedSteps: ['a'] });
    await settled();
    expect(late.celebrated).toBeNull();
  });

  it('lets a locked step go when it opens', async () => {
    await session.view('b');
    complete('a');
    await settled();
    expect(session.lockedStep).toBeNull();
  });

  it('keeps the report of a check by button and of one by itself', async () => {
    await session.validate('a');
    expect(session.reports['a']?.trigger).toBe('auto');
    const passed: Report = makeReport({ outcome: 'passed', passed: true });
    daemon.feed('report', passed);
    expect(session.reports['a']?.outcome).toBe('passed');
  });

  it('runs a step’s checks once at a time', async () => {
    await Promise.all([session.validate('a'), session.validate('a')]);
    expect(daemon.asked.filter((each) => each.endsWith('/validate'))).toHaveLength(1);
    expect(session.checking).toEqual([]);
  });

  it('says what a transition does and follows the machine when it is there', () => {
    daemon.change({ transition: makeTransition({ status: 'claimed' }) });
    expect(session.transition?.id).toBe('t-1');
    daemon.change({
      boot: 'b-2',
      activeStep: 'b',
      viewedStep: 'b',
      transition: makeTransition({ status: 'completed' }),
    });
    expect(session.transition).toBeNull();
    expect(session.announcement).toBe('Your machine is now at “B”.');
    expect(session.viewed).toBe('b');
  });

  it('asks for steps and text again after the daemon was started anew', async () => {
    daemon.change({ boot: 'b-2' });
    await settled();
    expect(daemon.asked.filter((each) => each === 'GET /api/steps')).toHaveLength(2);
  });

  it('is lost when another session answers at the same address', () => {
    daemon.change({ session: 's-2' });
    expect(session.connection).toBe('session-lost');
    expect(session.state?.session).toBe('s-1');
  });

  it('opens a terminal only when there is none of that name', async () => {
    daemon.feed('terminal', { terminals: [] });
    expect(await session.openTerminal('build')).toBe('build');
    expect(await session.openTerminal('build')).toBe('build');
    expect(daemon.asked.filter((each) => each === 'POST /api/terminals')).toHaveLength(1);
  });

  it('opens a terminal again that went with another daemon', async () => {
    daemon.feed('terminal', { terminals: [] });
    await session.openTerminal('build');
    daemon.change({ boot: 'b-2' });
    expect(session.knowsTerminals).toBe(false);
    await session.openTerminal('build');
    expect(daemon.asked.filter((each) => each === 'POST /api/terminals')).toHaveLength(2);
    daemon.feed('terminal', { terminals: [] });
    expect(session.knowsTerminals).toBe(true);
  });

  it('notices at any request that it is signed out', async () => {
    const out = { status: 401, message: 'No.' };
    daemon.refuse = { 'POST /api/steps/a/validate': out, 'GET /api/state': out };
    await session.validate('a');
    await settled();
    expect(session.connection).toBe('unauthorised');
    expect(session.failure).toBeNull();
  });

  it('shows why a text cannot be had and tries again when told to', async () => {
    complete('a');
    await settled();
    daemon.refuse['GET /api/steps/b/content'] = { status: 500, message: 'Broken.' };
    await session.view('b');
    await settled();
    expect(session.text).toEqual({ kind: 'failed', step: 'b', message: 'Broken.' });
    daemon.refuse = {};
    session.retryText();
    await settled();
    expect(session.text).toMatchObject({ kind: 'ready', step: 'b' });
  });
});

import { flushSync } from 'svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import { Api } from './api';
import { Deck } from './deck.svelte';
import type { Source } from './feed';
import { Memory } from './memory';
import type { TerminalInfo } from './protocol';
import { Session } from './session.svelte';
import { makeState, makeWorkshop } from './testing';

/** A daemon that has terminals and nothing else. */
class FakeDaemon {
  boot = 'b-1';
  terminals: TerminalInfo[] = [terminal('main')];
  asked: string[] = [];
  private readonly listeners = new Map<string, (event: MessageEvent<string>) => void>();

  readonly api = new Api((url, init) => {
    this.asked.push(`${init?.method} ${url}`);
    const body = JSON.parse(typeof init?.body === 'string' ? init.body : '{}') as {
      name?: string;
      title?: string;
    };
    return Promise.resolve(this.answer(init?.method ?? 'GET', url, body));
  });

  source(): Source {
    return {
      readyState: 1,
      addEventListener: (type, listener) => this.listeners.set(type, listener),
      close: () => this.listeners.clear(),
    };
  }

  /** What the feed says first: the state, then the terminals. */
  tell(): void {
    this.feed('state', makeState({ boot: this.boot }));
    this.feed('terminal', { terminals: this.terminals });
  }

  /** Another daemon answers, with a shell in `main` and nothing else. */
  restart(): void {
    this.boot += '+';
    this.terminals = [terminal('main')];
    this.asked = [];
  }

  feed(event: string, data: unknown): void {
    this.listeners.get(event)?.(new MessageEvent(event, { data: JSON.stringify(data) }));
    flushSync();
  }

  private answer(method: string, url: string, body: { name?: string; title?: string }): Response {
    const name = url.split('/')[3] ?? body.name ?? `terminal-${this.terminals.length + 1}`;
    const known = this.terminals.find((each) => each.name === name);
    switch (`${method} ${url.split('/')[4] ?? ''}`) {
      case 'GET ':
        return url.startsWith('/api/terminals')
          ? Response.json(this.terminals)
          : Response.json(makeWorkshop());
      case 'POST ':
        if (known) return refusal(409, 'already_exists');
        if (this.terminals.length >= 8) return refusal(409, 'too_many');
        this.terminals = [...this.terminals, terminal(name)];
        return Response.json(terminal(name), { status: 201 });
      case 'PATCH ':
        if (!known) return refusal(404, 'not_found');
        if (body.title) known.title = body.title;
        else delete known.title;
        return Response.json(known);
      case 'DELETE ':
        this.terminals = this.terminals.filter((each) => each.name !== name);
        return new Response(null, { status: 204 });
      default:
        return known ? Response.json(known) : refusal(404, 'not_found');
    }
  }
}

function terminal(name: string, title?: string): TerminalInfo {
  return { name, ...(title && { title }), cols: 80, rows: 24, clients: 1, running: true };
}

function refusal(status: number, code: string): Response {
  return Response.json({ error: { code, message: 'No.' } }, { status });
}

let daemon: FakeDaemon;
let stored: Map<string, string>;
let narrow: boolean;
let session: Session;

/** A page that was just loaded, and its deck. */
function load(): Deck {
  session = new Session({
    api: daemon.api,
    open: () => daemon.source(),
    later: () => () => undefined,
  });
  session.start();
  daemon.feed('state', makeState({ boot: daemon.boot }));
  const memory = new Memory({
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => void stored.set(key, value),
  });
  return new Deck({ session, memory, isNarrow: () => narrow });
}

/** The feed brings what is, and the page looks at it. */
async function follow(deck: Deck): Promise<void> {
  daemon.tell();
  deck.follow();
  for (let turn = 0; turn < 20; turn += 1) await new Promise((done) => setTimeout(done, 0));
  deck.follow();
}

async function loaded(): Promise<Deck> {
  const deck = load();
  await follow(deck);
  return deck;
}

beforeEach(() => {
  daemon = new FakeDaemon();
  stored = new Map();
  narrow = false;
});

describe('a deck of terminals', () => {
  it('draws nothing before it knows what is open', () => {
    const deck = load();
    expect(deck.names).toEqual(['main']);
    expect(deck.drawn).toEqual([]);
  });

  it('begins with one terminal', async () => {
    const deck = await loaded();
    expect([deck.active, deck.shown, deck.drawn]).toEqual(['main', ['main'], ['main']]);
    expect(deck.isSplit).toBe(false);
  });

  it('shows a terminal in place of the one that has the focus, and keeps that drawn', async () => {
    const deck = await loaded();
    expect(await deck.add()).toBe('terminal-2');
    expect([deck.active, deck.shown]).toEqual(['terminal-2', ['terminal-2']]);
    expect(deck.drawn).toEqual(['main', 'terminal-2']);
    deck.show('main');
    expect(deck.shown).toEqual(['main']);
  });

  it('draws only what was looked at', async () => {
    daemon.terminals.push(terminal('build'));
    const deck = await loaded();
    expect(deck.names).toEqual(['main', 'build']);
    expect(deck.drawn).toEqual(['main']);
  });

  it('opens another one beside or below a terminal', async () => {
    const deck = await loaded();
    await deck.split('main', 'row');
    await deck.split('terminal-2', 'column');
    expect(deck.shown).toEqual(['main', 'terminal-2', 'terminal-3']);
    expect(deck.active).toBe('terminal-3');
    expect(deck.box('terminal-3')).toEqual({ left: 50, top: 50, width: 50, height: 50 });
    expect(deck.seams.map((seam) => seam.path)).toEqual(['', '1']);
  });

  it('shows four at once and no more', async () => {
    const deck = await loaded();
    for (let more = 0; more < 5; more += 1) await deck.split('main', 'column');
    expect(deck.shown).toHaveLength(4);
    expect([deck.canSplit, deck.canDivide, deck.canOpen]).toEqual([false, false, true]);
    expect(deck.allows('split-right')).toBe(false);
    expect(daemon.terminals).toHaveLength(4);
  });

  it('puts an open one beside the others, and lets one be alone again', async () => {
    const deck = await loaded();
    await deck.add('build');
    deck.show('main');
    expect(deck.actions('build')).toEqual([
      'rename',
      'restart',
      'show-right',
      'show-below',
      'close',
    ]);
    deck.place('build', 'main', 'row');
    expect(deck.shown).toEqual(['main', 'build']);
    expect(deck.actions('main')).toEqual([
      'rename',
      'restart',
      'split-right',
      'split-down',
      'alone',
    ]);
    deck.alone('main');
    expect([deck.shown, deck.names]).toEqual([['main'], ['main', 'build']]);
  });

  it('goes round those that are seen, else round all', async () => {
    const deck = await loaded();
    await deck.add('build');
    expect(deck.next()).toBe('main');
    await deck.split('build', 'row');
    expect(deck.shown).toEqual(['build', 'terminal-3']);
    expect(deck.next()).toBe('build');
    deck.focused('build');
    expect(deck.next()).toBe('terminal-3');
  });

  it('keeps the size of what is hidden', async () => {
    const deck = await loaded();
    await deck.split('main', 'row');
    const half = deck.box('terminal-2');
    deck.alone('main');
    expect(deck.box('terminal-2')).toEqual(half);
    expect(deck.box('main').width).toBe(100);
  });

  it('shows one on a phone and forgets no other', async () => {
    const deck = await loaded();
    await deck.split('main', 'row');
    narrow = true;
    const phone = await loaded();
    expect([phone.shown, phone.isSplit]).toEqual([['terminal-2'], false]);
    expect(phone.actions('terminal-2')).toEqual(['rename', 'restart', 'close']);
    expect(await phone.split('main', 'row')).toBeNull();
    phone.show('main');
    narrow = false;
    expect((await loaded()).shown).toEqual(['main', 'terminal-2']);
  });

  it('gives the room of a closed terminal to its neighbour', async () => {
    const deck = await loaded();
    await deck.split('main', 'row');
    await deck.close('terminal-2');
    expect([deck.shown, deck.active, deck.names]).toEqual([['main'], 'main', ['main']]);
    expect(daemon.asked).toContain('DELETE /api/terminals/terminal-2');
  });

  it('loses what another page closed', async () => {
    const deck = await loaded();
    await deck.split('main', 'row');
    daemon.terminals = daemon.terminals.filter((each) => each.name === 'main');
    await follow(deck);
    expect([deck.shown, deck.active]).toEqual([['main'], 'main']);
    expect(daemon.asked.filter((each) => each === 'POST /api/terminals')).toHaveLength(1);
  });

  it('takes the terminal of a code block that another page has just opened', async () => {
    const deck = await loaded();
    daemon.terminals.push(terminal('server'));
    expect(await deck.add('server')).toBe('server');
    expect([deck.shown, session.failure]).toEqual([['server'], null]);
  });

  it('asks for another name only when it is another', async () => {
    const deck = await loaded();
    await deck.rename('main', 'editor');
    await deck.rename('main', 'editor');
    expect(deck.label('main')).toBe('editor');
    await deck.rename('main', '');
    await deck.rename('main', '');
    expect(deck.label('main')).toBe('Terminal');
    expect(daemon.asked.filter((each) => each.startsWith('PATCH'))).toHaveLength(2);
  });
});

describe('what a page remembers of its terminals', () => {
  it('is found after a reload', async () => {
    const before = await loaded();
    await before.split('main', 'column');
    before.share('', 70);
    before.focused('main');
    const after = await loaded();
    expect(after.shown).toEqual(['main', 'terminal-2']);
    expect(after.box('main').height).toBe(70);
    expect(after.active).toBe('main');
    expect(daemon.asked.filter((each) => each === 'POST /api/terminals')).toHaveLength(1);
  });

  it('does not bring back what was closed while the page was away', async () => {
    await (await loaded()).split('main', 'row');
    daemon.terminals = [terminal('main')];
    const after = await loaded();
    expect(after.names).toEqual(['main']);
    expect(daemon.terminals).toHaveLength(1);
  });

  it('is opened again, with names and places, when another daemon answers', async () => {
    const deck = await loaded();
    await deck.split('main', 'row');
    await deck.add('server');
    await deck.rename('terminal-2', 'notes');
    await deck.rename('main', 'editor');
    deck.place('terminal-2', 'server', 'row');
    await follow(deck);
    const shown = deck.shown;
    daemon.restart();
    await follow(deck);
    await follow(deck);
    expect(daemon.terminals.map((each) => [each.name, each.title])).toEqual([
      ['main', 'editor'],
      ['terminal-2', 'notes'],
      ['server', undefined],
    ]);
    expect(deck.shown).toEqual(shown);
    daemon.restart();
    expect((await loaded()).shown).toEqual(shown); // after a reload, too
  });

  it('survives a machine that opens none of them', async () => {
    const deck = await loaded();
    await deck.split('main', 'row');
    await follow(deck);
    daemon.restart();
    daemon.terminals = Array.from({ length: 8 }, (_, number) =>
      terminal(number === 0 ? 'main' : `other-${number}`),
    );
    await follow(deck);
    expect(deck.shown).toEqual(['main']);
    expect(session.failure).toBe('No.');
  });

  it('belongs to its session', async () => {
    await (await loaded()).split('main', 'row');
    expect([...stored.keys()]).toEqual(['workshop.terminals.s-1']);
    stored.set('workshop.terminals.s-1', '{"layout":{"direction":"row"}}');
    expect((await loaded()).shown).toEqual(['main']);
  });
});

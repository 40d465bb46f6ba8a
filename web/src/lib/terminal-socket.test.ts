// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KEPT_BYTES, KEPT_MILLISECONDS } from './terminal-kept-input';
import { retryDelay, TerminalSocket, terminalUrl, type SocketLike } from './terminal-socket';
import type { TerminalStatus } from './terminal-status';

/** A connection whose other end is the test. */
class Connection implements SocketLike {
  binaryType: BinaryType = 'blob';
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readyState = 1;
  readonly messages: Record<string, unknown>[] = [];
  readonly bytes: Uint8Array[] = [];
  closedByPage = false;

  constructor(readonly offset: number | null) {}

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (typeof data === 'string') this.messages.push(JSON.parse(data) as Record<string, unknown>);
    else this.bytes.push(data);
  }

  close(): void {
    this.closedByPage = true;
    this.readyState = 3;
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) } as MessageEvent);
  }

  hello(offset = 0, cols = 80, rows = 24): void {
    this.say({ type: 'hello', terminal: 'main', cols, rows, offset, role: 'student' });
  }

  /** What a connection begins with that is not one from an offset. */
  greet(offset: number): void {
    this.hello(offset);
    this.redraw(offset);
  }

  redraw(offset: number): void {
    this.say({ type: 'screen' });
    this.output(3);
    this.say({ type: 'offset', offset });
  }

  output(length: number): void {
    this.onmessage?.({ data: new Uint8Array(length).fill(65).buffer } as MessageEvent);
  }

  lose(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code } as CloseEvent);
  }

  get input(): string {
    return new TextDecoder().decode(Uint8Array.from(this.bytes.flatMap((each) => [...each])));
  }

  get acknowledged(): unknown[] {
    return this.messages.filter(({ type }) => type === 'ack').map(({ offset }) => offset);
  }
}

/** A page with one terminal; drawing waits for the test when `slow`. */
class Page {
  readonly connections: Connection[] = [];
  readonly statuses: TerminalStatus[] = [];
  readonly drawn: { length: number; redraw: boolean }[] = [];
  readonly sizes: string[] = [];
  readonly waiting: (() => void)[] = [];
  dropped = 0;
  slow = false;
  readonly socket = new TerminalSocket({
    open: (offset) => {
      const connection = new Connection(offset);
      this.connections.push(connection);
      return connection;
    },
    random: () => 1,
    screen: {
      output: ({ length }, redraw, drawn) => {
        this.drawn.push({ length, redraw });
        if (this.slow) this.waiting.push(drawn);
        else drawn();
      },
      resized: (cols, rows) => this.sizes.push(`${cols}x${rows}`),
      status: (status) => this.statuses.push(status),
      dropped: () => (this.dropped += 1),
    },
  });

  get last(): Connection {
    const last = this.connections.at(-1);
    if (!last) throw new Error('The page never connected.');
    return last;
  }

  get status(): TerminalStatus | undefined {
    return this.statuses.at(-1);
  }
}

let page: Page;

beforeEach(() => {
  vi.useFakeTimers();
  page = new Page();
  page.socket.start();
});

afterEach(() => {
  page.socket.stop();
  vi.useRealTimers();
});

/** A page that lost its connection after 10 bytes and has not come back. */
function away(): void {
  page.last.greet(100);
  page.last.output(10);
  page.last.lose();
}

describe('connecting', () => {
  it('the first connection asks for no offset and is connected by a hello', () => {
    expect(page.last.offset).toBeNull();
    expect(page.status).toEqual({ kind: 'connecting' });
    page.last.hello(7, 120, 40);
    expect(page.status).toEqual({ kind: 'connected' });
    expect(page.sizes).toEqual(['120x40']);
  });

  it("the page's size is told with every connection", () => {
    page.socket.resize(100, 30);
    page.last.hello();
    expect(page.last.messages).toEqual([{ type: 'resize', cols: 100, rows: 30 }]);
  });

  it('a size that is none is mended before it is sent', () => {
    page.last.hello();
    page.socket.resize(0, 5000.7);
    expect(page.last.messages).toEqual([{ type: 'resize', cols: 1, rows: 1000 }]);
  });

  it('a connection without a hello is given up and tried again', () => {
    vi.advanceTimersByTime(10_000);
    expect(page.last.closedByPage).toBe(true);
    vi.advanceTimersByTime(250);
    expect(page.connections).toHaveLength(2);
  });

  it('unknown and malformed messages are ignored', () => {
    page.last.hello();
    page.last.say({ type: 'from-the-future' });
    page.last.say([]);
    page.last.onmessage?.({ data: '{' } as MessageEvent);
    page.last.onmessage?.({ data: 'null' } as MessageEvent);
    expect(page.status).toEqual({ kind: 'connected' });
  });

  it('a page that is gone does not come back', () => {
    page.last.hello();
    page.socket.stop();
    vi.advanceTimersByTime(60_000);
    expect(page.connections).toHaveLength(1);
    expect(page.last.closedByPage).toBe(true);
  });
});

describe('bytes by offset', () => {
  it('a reconnect continues at the next byte', () => {
    away();
    vi.advanceTimersByTime(250);
    expect(page.last.offset).toBe(110);
  });

  it.each([
    ['before its redraw', () => undefined],
    ['when its redraw is announced', () => page.last.say({ type: 'screen' })],
    [
      'before the offset of its redraw',
      () => {
        page.last.say({ type: 'screen' });
        page.last.output(3);
      },
    ],
  ])('a connection lost %s leaves nothing to continue at', (_, before) => {
    page.last.hello(100);
    before();
    page.last.lose();
    vi.advanceTimersByTime(250);
    expect(page.last.offset).toBeNull();
    page.last.greet(90);
    page.last.lose();
    vi.advanceTimersByTime(500);
    expect(page.last.offset).toBe(90);
  });

  it('a redraw on the way replaces what there was to continue at', () => {
    page.last.greet(100);
    page.last.output(5);
    page.last.say({ type: 'screen' });
    page.last.lose();
    vi.advanceTimersByTime(250);
    expect(page.last.offset).toBeNull();
  });

  it('an answer from elsewhere leaves nothing to continue at before its redraw', () => {
    away();
    vi.advanceTimersByTime(250);
    page.last.hello(500);
    page.last.lose();
    vi.advanceTimersByTime(500);
    expect(page.last.offset).toBeNull();
  });

  it('what was drawn is acknowledged every 32 KiB', () => {
    page.last.hello(1000);
    for (let each = 0; each < 10; each += 1) page.last.output(10_000);
    expect(page.last.acknowledged).toEqual([41_000, 81_000]);
  });

  it('what is not drawn yet is not acknowledged', () => {
    page.slow = true;
    page.last.hello();
    page.last.output(40_000);
    page.last.output(40_000);
    expect(page.last.acknowledged).toEqual([]);
    page.waiting.shift()?.();
    expect(page.last.acknowledged).toEqual([40_000]);
  });

  it('a redraw does not count, and the offset after it does', () => {
    page.last.hello();
    page.last.say({ type: 'screen' });
    page.last.output(5_000);
    page.last.say({ type: 'offset', offset: 900_000 });
    page.last.output(1);
    expect(page.drawn).toEqual([
      { length: 5_000, redraw: true },
      { length: 1, redraw: false },
    ]);
    expect(page.last.acknowledged).toEqual([900_000]);
    page.last.lose();
    vi.advanceTimersByTime(250);
    expect(page.last.offset).toBe(900_001);
  });

  it('drawing that ends after a reconnect is not acknowledged for bytes of the new one', () => {
    page.slow = true;
    page.last.hello();
    page.last.output(40_000);
    page.last.lose();
    vi.advanceTimersByTime(250);
    page.last.hello(40_000);
    page.last.output(100);
    page.waiting.shift()?.();
    expect(page.last.acknowledged).toEqual([]);
  });
});

describe('coming back', () => {
  it('waits longer each time, at most 5 s', () => {
    const delays = Array.from({ length: 8 }, (_, attempt) => retryDelay(attempt, () => 1));
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
    expect(retryDelay(3, () => 0)).toBe(1000);
  });

  it('a connection that held ends the back-off, one that broke at once does not', () => {
    for (let each = 0; each < 3; each += 1) {
      page.last.hello();
      page.last.lose();
      vi.advanceTimersByTime(5_000);
    }
    page.last.hello();
    page.last.lose(4500);
    const tries = page.connections.length;
    vi.advanceTimersByTime(1_999);
    expect(page.connections).toHaveLength(tries);
    vi.advanceTimersByTime(1);
    page.last.hello();
    vi.advanceTimersByTime(3_000);
    page.last.lose();
    vi.advanceTimersByTime(250);
    expect(page.connections).toHaveLength(tries + 2);
  });

  it('is tried at once when the page is looked at again', () => {
    away();
    page.socket.wake();
    expect(page.connections).toHaveLength(2);
  });

  it('does not disturb a connection that is alive', () => {
    page.last.hello();
    page.socket.wake();
    expect(page.connections).toHaveLength(1);
  });

  it('is one, whatever the browser tells before it begins and after it ended', () => {
    const early = new Page();
    early.socket.networkChanged();
    early.socket.wake();
    early.socket.retry();
    expect(early.connections).toHaveLength(0);
    early.socket.start();
    expect(early.connections).toHaveLength(1);
    early.last.hello();
    early.socket.stop();
    early.socket.networkChanged();
    early.socket.wake();
    vi.advanceTimersByTime(60_000);
    expect(early.connections).toHaveLength(1);
  });

  it('connects anew when the network changed', () => {
    page.last.greet(5);
    page.socket.networkChanged();
    expect(page.connections[0]?.closedByPage).toBe(true);
    expect(page.last.offset).toBe(5);
  });

  it('what an abandoned connection still says is not heard', () => {
    page.last.hello();
    const [old] = page.connections;
    const { onmessage } = page.last;
    page.socket.networkChanged();
    expect(old?.onmessage).toBeNull();
    expect(onmessage).not.toBeNull();
  });

  it('connects anew after the machine slept', () => {
    page.last.hello();
    vi.advanceTimersByTime(2_000);
    vi.setSystemTime(Date.now() + 60_000); // the wall clock ran, the page's did not
    vi.advanceTimersByTime(1_000);
    expect(page.connections).toHaveLength(2);
  });

  it('connects anew when input stays without an answer, less and less often', () => {
    page.last.hello();
    page.socket.input('x');
    vi.advanceTimersByTime(10_000);
    expect(page.connections).toHaveLength(2);
    page.last.hello();
    vi.advanceTimersByTime(60_000);
    expect(page.connections).toHaveLength(2);
    page.socket.input('x');
    vi.advanceTimersByTime(10_000);
    expect(page.connections).toHaveLength(2);
    vi.advanceTimersByTime(10_000);
    expect(page.connections).toHaveLength(3);
  });

  it('an answer is an answer however late the next one is', () => {
    page.last.hello();
    page.socket.input('x');
    page.last.output(1);
    vi.advanceTimersByTime(60_000);
    expect(page.connections).toHaveLength(1);
  });
});

describe('input', () => {
  it('goes out as bytes, in pieces of 16 KiB', () => {
    page.last.hello();
    expect(page.socket.input('ä'.repeat(10_000))).toBe('sent');
    expect(page.last.bytes.map((each) => each.length)).toEqual([16_384, 3_616]);
    expect(page.last.input).toBe('ä'.repeat(10_000));
  });

  it('before the first hello is kept, so that a quick typist loses nothing', () => {
    expect(page.socket.input('PS')).toBe('kept');
    expect(page.socket.input('1')).toBe('kept');
    expect(page.status).toEqual({ kind: 'connecting' });
    page.last.hello(7);
    expect(page.last.input).toBe('PS1');
  });

  it('is kept while the connection is away and sent when the same output continues', () => {
    away();
    expect(page.socket.input('ls')).toBe('kept');
    expect(page.socket.input('\r')).toBe('kept');
    expect(page.status).toEqual({ kind: 'reconnecting', keptBytes: 3 });
    page.socket.wake();
    page.last.hello(110);
    expect(page.last.input).toBe('ls\r');
    expect(page.dropped).toBe(0);
  });

  it('is kept after the page size on reconnect, so that a program sees the size first', () => {
    page.socket.resize(90, 20);
    away();
    page.socket.input('x');
    page.socket.wake();
    page.last.hello(110);
    expect(page.last.messages).toEqual([{ type: 'resize', cols: 90, rows: 20 }]);
    expect(page.last.input).toBe('x');
  });

  it('is dropped and said when another shell answers', () => {
    away();
    page.socket.input('rm -r old\r');
    page.socket.wake();
    page.last.hello(9_000);
    expect(page.last.input).toBe('');
    expect(page.dropped).toBe(1);
  });

  it('is kept whole or refused, up to 4 KiB', () => {
    away();
    expect(page.socket.input('x'.repeat(KEPT_BYTES))).toBe('kept');
    expect(page.socket.input('y')).toBe('refused');
    page.socket.wake();
    page.last.hello(110);
    expect(page.last.input).toBe('x'.repeat(KEPT_BYTES));
  });

  it('is dropped and said when it has become too old', () => {
    away();
    page.socket.input('x');
    vi.advanceTimersByTime(KEPT_MILLISECONDS + 2_000);
    expect(page.dropped).toBe(1);
    expect(page.status).toEqual({
      kind: 'reconnecting',
      keptBytes: 0,
    });
  });
});

describe('what the server refuses', () => {
  it.each([
    [4401, 'refused'],
    [4404, 'missing'],
    [4409, 'crowded'],
  ])('close code %i is %s and not tried again by itself', (code, kind) => {
    page.last.hello();
    page.last.lose(code);
    expect(page.status?.kind).toBe(kind);
    vi.advanceTimersByTime(60_000);
    expect(page.connections).toHaveLength(1);
    page.socket.retry();
    expect(page.connections).toHaveLength(2);
  });

  it.each([1000, 1001, 1006, 1011, 1012, 4500])('close code %i is tried again', (code) => {
    page.last.hello();
    page.last.lose(code);
    vi.advanceTimersByTime(5_000);
    expect(page.connections).toHaveLength(2);
  });

  it('kept input does not outlive a refusal', () => {
    away();
    page.socket.input('x');
    page.socket.wake();
    page.last.lose(4401);
    expect(page.dropped).toBe(1);
    page.socket.retry();
    page.last.hello(110);
    expect(page.last.input).toBe('');
  });
});

describe('the shell', () => {
  it('ends with a code, is asked for again and comes back', () => {
    page.last.hello();
    page.last.say({ type: 'exit', code: 3 });
    expect(page.status).toEqual({ kind: 'ended', code: 3 });
    page.socket.restart();
    expect(page.last.messages).toEqual([{ type: 'restart' }]);
    page.last.say({ type: 'restarted' });
    expect(page.status).toEqual({ kind: 'connected' });
  });

  it('has the size the server says', () => {
    page.last.hello();
    page.last.say({ type: 'resize', cols: 132, rows: 50 });
    expect(page.sizes.at(-1)).toBe('132x50');
  });
});

describe('the address', () => {
  it('is on the page’s own origin, secure when the page is', () => {
    expect(terminalUrl(new URL('http://127.0.0.1:8080/?x=1#y'), 'main', null)).toBe(
      'ws://127.0.0.1:8080/ws/terminal/main',
    );
    expect(terminalUrl(new URL('https://w.example/'), 'a-1', 42)).toBe(
      'wss://w.example/ws/terminal/a-1?offset=42',
    );
  });
});

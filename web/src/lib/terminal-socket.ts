// The page's end of a terminal socket (`workshop.terminal.v1`): bytes by offset, and coming back
// after every loss with nothing missing and nothing twice.

import { KeptInput } from './terminal-kept-input';
import { TerminalOffsets } from './terminal-offsets';
import type { TerminalClientMessage, TerminalServerMessage } from './protocol';
import type { TerminalStatus } from './terminal-status';

export const SUBPROTOCOL = 'workshop.terminal.v1';

const OPEN = 1; // `WebSocket.OPEN`

const HELLO_MILLISECONDS = 10_000; // a connection that says nothing for so long is none
const LONGEST_RETRY_MILLISECONDS = 5_000;
const FIRST_RETRY_MILLISECONDS = 250;
const STABLE_MILLISECONDS = 3_000; // a connection that held so long ends the back-off
const LOOK_MILLISECONDS = 1_000;
const SILENCE_MILLISECONDS = 8_000; // after input: a shell echoes, a dead connection does not
const LONGEST_SILENCE_MILLISECONDS = 300_000;
const ASLEEP_MILLISECONDS = 5_000; // the clock ran on while this page did not
const FRAME_BYTES = 16 * 1024; // of input

/** Close codes of the protocol. */
const NOT_ALLOWED = 4401;
const NO_SUCH_TERMINAL = 4404;
const TOO_MANY = 4409;

/** The part of `WebSocket` that is used. */
export interface SocketLike {
  binaryType: BinaryType;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  readyState: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

/** What the screen does for the socket. */
export interface TerminalScreenParts {
  /**
   * Draws bytes and calls `drawn` when they are on the screen. A `redraw` replaces everything drawn
   * before, scroll-back included, and is no new output.
   */
  output(bytes: Uint8Array, redraw: boolean, drawn: () => void): void;
  /** The terminal has this size now. */
  resized(cols: number, rows: number): void;
  status(status: TerminalStatus): void;
  /** Kept input will not be sent, because it was meant for another shell or is too old. */
  dropped(): void;
}

export interface TerminalSocketParts {
  open(offset: number | null): SocketLike;
  screen: TerminalScreenParts;
  random?: () => number;
  wallClock?: () => number; // milliseconds; runs while the machine sleeps
  monotonic?: () => number; // milliseconds; on most systems does not
}

/** What became of input: on its way, waiting for the connection, or not taken. */
export type InputOutcome = 'sent' | 'kept' | 'refused';

/** The address of a terminal's socket. */
export function terminalUrl(page: URL, name: string, offset: number | null): string {
  const url = new URL(`/ws/terminal/${encodeURIComponent(name)}`, page);
  url.protocol = page.protocol === 'https:' ? 'wss:' : 'ws:';
  if (offset !== null) url.searchParams.set('offset', String(offset));
  return url.href;
}

/** Milliseconds until try number `attempt` (from 0): doubling, at most 5 s, half of it by chance. */
export function retryDelay(attempt: number, random: () => number): number {
  const most = Math.min(LONGEST_RETRY_MILLISECONDS, FIRST_RETRY_MILLISECONDS * 2 ** attempt);
  return most / 2 + (random() * most) / 2;
}

/** One page's connection to one terminal, for as long as the page lives. */
export class TerminalSocket {
  private socket: SocketLike | null = null;
  private status: TerminalStatus = { kind: 'connecting' };
  private readonly offsets = new TerminalOffsets();
  private readonly kept: KeptInput;
  private known = false; // a hello came once
  private ready = false; // this connection said hello
  private redraws = false; // the next binary frame is a redraw
  private missing: 'nothing' | 'redraw' | 'its offset' = 'redraw'; // before there is one to go on at
  private started = false;
  private attempt = 0;
  private readyAt = 0;
  private size: { cols: number; rows: number } | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private helloTimer: ReturnType<typeof setTimeout> | undefined;
  private lookTimer: ReturnType<typeof setInterval> | undefined;
  private unansweredSince: number | null = null; // input went out and nothing came since
  private patience = SILENCE_MILLISECONDS;
  private lookedAt = { wall: 0, monotonic: 0 };

  private readonly screen: TerminalScreenParts;
  private readonly random: () => number;
  private readonly wallClock: () => number;
  private readonly monotonic: () => number;

  constructor(private readonly parts: TerminalSocketParts) {
    this.screen = parts.screen;
    this.random = parts.random ?? Math.random;
    this.wallClock = parts.wallClock ?? (() => Date.now());
    this.monotonic = parts.monotonic ?? (() => performance.now());
    this.kept = new KeptInput(this.wallClock);
  }

  /** What the browser tells before this, or after `stop`, is about no connection of ours. */
  start(): void {
    this.started = true;
    this.lookedAt = { wall: this.wallClock(), monotonic: this.monotonic() };
    this.lookTimer = setInterval(() => this.look(), LOOK_MILLISECONDS);
    this.screen.status(this.status);
    this.connect();
  }

  /** Ends for good. */
  stop(): void {
    this.started = false;
    clearInterval(this.lookTimer);
    clearTimeout(this.retryTimer);
    this.abandon();
  }

  /** The page is looked at again: try now instead of later. */
  wake(): void {
    if (!this.started) return;
    this.look();
    if (this.socket === null && this.status.kind !== 'missing') this.retry();
  }

  /** The network came back: a connection from before is most likely dead without saying so. */
  networkChanged(): void {
    if (this.ready) this.renew();
    else this.wake();
  }

  /** Tries again after the server refused. */
  retry(): void {
    if (!this.started) return;
    clearTimeout(this.retryTimer);
    this.attempt = 0;
    if (this.socket === null) this.connect();
  }

  /** Asks for a new shell after the old one ended. */
  restart(): void {
    this.sendMessage({ type: 'restart' });
  }

  /** This page's size in cells. The terminal has the size of the page that typed last. */
  resize(cols: number, rows: number): void {
    this.size = { cols: clampCells(cols), rows: clampCells(rows) };
    this.sendSize();
  }

  /** Sends input; while the connection is away it is kept or refused, see `KeptInput`. */
  input(input: string | Uint8Array): InputOutcome {
    const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input;
    if (this.ready && this.socket?.readyState === OPEN) {
      this.sendBytes(bytes);
      return 'sent';
    }
    const { kind } = this.status;
    const waits = kind === 'connecting' || kind === 'reconnecting';
    if (!waits || !this.kept.add(bytes)) return 'refused';
    if (kind === 'reconnecting') this.change({ kind, keptBytes: this.kept.size });
    return 'kept';
  }

  private connect(): void {
    this.ready = false;
    this.redraws = false;
    // What is on the screen ends at no offset that is known before a redraw has come with its own.
    const socket = this.parts.open(this.missing === 'nothing' ? this.offsets.received : null);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => this.receive(data as string | ArrayBuffer);
    socket.onclose = ({ code }) => this.closed(code);
    this.socket = socket;
    this.helloTimer = setTimeout(() => this.reconnect(), HELLO_MILLISECONDS);
  }

  /** Leaves this connection, whatever it still says, and opens another. */
  private reconnect(): void {
    this.abandon();
    this.away();
    this.schedule();
  }

  private abandon(): void {
    clearTimeout(this.helloTimer);
    const { socket } = this;
    this.socket = null;
    this.ready = false;
    this.unansweredSince = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  private closed(code: number): void {
    const held = this.ready && this.monotonic() - this.readyAt >= STABLE_MILLISECONDS;
    if (held) this.attempt = 0;
    this.abandon();
    switch (code) {
      case NOT_ALLOWED:
        return this.giveUp({ kind: 'refused' });
      case NO_SUCH_TERMINAL:
        return this.giveUp({ kind: 'missing' });
      case TOO_MANY:
        return this.giveUp({ kind: 'crowded' });
      default: // 4500, a lost network, a restarting daemon: it will be back
        this.away();
        this.schedule();
    }
  }

  private giveUp(status: TerminalStatus): void {
    if (this.kept.size > 0) this.screen.dropped();
    this.kept.drop();
    this.change(status);
  }

  private away(): void {
    if (this.known) this.change({ kind: 'reconnecting', keptBytes: this.kept.size });
    else this.change({ kind: 'connecting' });
  }

  private schedule(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.connect(), retryDelay(this.attempt, this.random));
    this.attempt += 1;
  }

  private receive(data: string | ArrayBuffer): void {
    this.unansweredSince = null;
    if (typeof data !== 'string') this.draw(new Uint8Array(data));
    else this.understand(data);
  }

  private draw(bytes: Uint8Array): void {
    this.patience = SILENCE_MILLISECONDS;
    const redraw = this.redraws;
    this.redraws = false;
    if (redraw) this.missing = 'its offset';
    const drawn = this.offsets.piece(redraw ? 0 : bytes.length);
    this.screen.output(bytes, redraw, () => this.acknowledge(drawn()));
  }

  private acknowledge(offset: number | null): void {
    if (offset !== null) this.sendMessage({ type: 'ack', offset });
  }

  private understand(text: string): void {
    const message = parseMessage(text);
    if (message === null) return; // a newer server may say more than this page knows
    switch (message.type) {
      case 'hello':
        return this.greeted(message.offset, message.cols, message.rows);
      case 'screen':
        this.redraws = true;
        this.missing = 'redraw';
        return;
      case 'offset':
        if (this.missing === 'its offset') this.missing = 'nothing';
        return this.acknowledge(this.offsets.moveTo(message.offset));
      case 'resize':
        return this.screen.resized(message.cols, message.rows);
      case 'exit':
        this.kept.drop();
        return this.change({ kind: 'ended', code: message.code });
      case 'restarted':
        return this.change({ kind: 'connected' });
      default:
        message satisfies never;
    }
  }

  private greeted(offset: number, cols: number, rows: number): void {
    clearTimeout(this.helloTimer);
    // Offsets are never used twice: another one means another shell, or too much was missed.
    const continues = !this.known || offset === this.offsets.received;
    if (offset !== this.offsets.received) this.missing = 'redraw';
    this.offsets.start(offset);
    this.known = true;
    this.ready = true;
    this.readyAt = this.monotonic();
    this.change({ kind: 'connected' });
    this.screen.resized(cols, rows);
    this.sendSize();
    this.sendKept(continues);
  }

  private sendKept(continues: boolean): void {
    const had = this.kept.size > 0;
    const bytes = this.kept.take();
    if (bytes !== null && continues) this.sendBytes(bytes);
    else if (had) this.screen.dropped();
  }

  private sendBytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += FRAME_BYTES)
      this.socket?.send(bytes.slice(at, at + FRAME_BYTES) as Uint8Array<ArrayBuffer>);
    this.unansweredSince ??= this.monotonic();
  }

  private sendSize(): void {
    if (this.size) this.sendMessage({ type: 'resize', ...this.size });
  }

  private sendMessage(message: TerminalClientMessage): void {
    if (this.ready && this.socket?.readyState === OPEN) this.socket.send(JSON.stringify(message));
  }

  /**
   * A browser does not tell of a connection that is half open, after sleep or a change of network.
   * Two signs are taken as one: the machine slept, or input stayed without any answer. To connect
   * again costs nothing, since it goes on at the same byte.
   */
  private look(): void {
    const before = this.lookedAt;
    const now = { wall: this.wallClock(), monotonic: this.monotonic() };
    this.lookedAt = now;
    if (!this.ready) return this.forgetStale();
    const asleep = now.wall - before.wall - (now.monotonic - before.monotonic);
    const silent = this.unansweredSince !== null && now.monotonic - this.unansweredSince;
    if (silent !== false && silent > this.patience) {
      // A program that echoes nothing looks the same: ask less and less often.
      this.patience = Math.min(this.patience * 2, LONGEST_SILENCE_MILLISECONDS);
      this.renew();
    } else if (asleep > ASLEEP_MILLISECONDS) this.renew();
  }

  private forgetStale(): void {
    if (!this.kept.isStale) return;
    this.kept.drop();
    this.screen.dropped();
    this.away();
  }

  private renew(): void {
    clearTimeout(this.retryTimer);
    this.abandon();
    this.away();
    this.attempt = 0;
    this.connect();
  }

  private change(status: TerminalStatus): void {
    this.status = status;
    this.screen.status(status);
  }
}

function clampCells(cells: number): number {
  return Math.min(1000, Math.max(1, Math.floor(cells) || 1));
}

const TYPES = new Set(['hello', 'screen', 'offset', 'resize', 'exit', 'restarted']);

function parseMessage(text: string): TerminalServerMessage | null {
  try {
    const message = JSON.parse(text) as { type?: unknown } | null;
    return typeof message?.type === 'string' && TYPES.has(message.type)
      ? (message as TerminalServerMessage)
      : null;
  } catch {
    return null;
  }
}

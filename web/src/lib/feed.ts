// The live feed: one EventSource, told apart into "comes back by itself", "not signed in" and "gone".
//
// EventSource reconnects after a broken connection, with Last-Event-ID, but gives up for good after
// an HTTP error and does not say which; then /api/state is asked what is wrong. It also waits for ever
// for a connection that was made and says nothing, so the first message has a deadline.

import { ApiError } from './api';
import type { HelpNews, Report, State, TerminalList } from './protocol';

/** How the page is connected. */
export type Connection = 'connecting' | 'live' | 'reconnecting' | 'unauthorised' | 'session-lost';

/** One message of the feed. */
export type FeedMessage =
  | { event: 'state'; data: State }
  | { event: 'report'; data: Report }
  | { event: 'terminal'; data: TerminalList }
  | { event: 'help'; data: HelpNews };

/** The part of EventSource that is used. */
export interface Source {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface FeedParts {
  open(): Source;
  probe(): Promise<State>;
  later(action: () => void, milliseconds: number): () => void;
  onMessage(message: FeedMessage): void;
  onConnection(connection: Connection): void;
}

const EVENTS = ['state', 'report', 'terminal', 'help'] as const;
const CLOSED = 2; // EventSource.CLOSED
const RETRY_MILLISECONDS = [500, 1000, 2000, 4000];
const SIGNED_OUT_MILLISECONDS = 5000; // another tab may sign in
const SILENT_MILLISECONDS = 15_000; // the whole state comes first, at once

/** Keeps the feed open for as long as the page lives. */
export class Feed {
  private source: Source | null = null;
  private cancelRetry: () => void = () => undefined;
  private cancelDeadline: () => void = () => undefined;
  private failures = 0;
  private probing = false;
  private gone = false; // the source will not come back by itself
  private connection: Connection = 'connecting';

  constructor(private readonly parts: FeedParts) {}

  start(): void {
    this.stop();
    const source = this.parts.open();
    this.source = source;
    this.gone = false;
    for (const event of EVENTS)
      source.addEventListener(event, ({ data }) => {
        if (source === this.source) this.receive(event, data);
      });
    source.addEventListener('error', () => {
      if (source === this.source) this.lost(source.readyState === CLOSED);
    });
    this.expectMessage(source);
  }

  stop(): void {
    this.cancelRetry();
    this.cancelDeadline();
    this.source?.close();
    this.source = null;
  }

  /** Looks whether the connection is still good: after sleep or a change of network. */
  async check(): Promise<void> {
    if (this.connection !== 'live' || this.probing) return;
    await this.ask();
  }

  private receive(event: (typeof EVENTS)[number], text: string): void {
    const message = parseMessage(event, text);
    if (message === null) return;
    this.failures = 0;
    this.cancelDeadline();
    this.tell('live');
    this.parts.onMessage(message);
  }

  private lost(forGood: boolean): void {
    if (this.connection !== 'connecting' && this.connection !== 'unauthorised')
      this.tell('reconnecting');
    this.cancelDeadline();
    this.gone ||= forGood;
    if (forGood) void this.ask();
    else if (this.source) this.expectMessage(this.source);
  }

  /** A connection from which nothing comes is given up for another one. */
  private expectMessage(source: Source): void {
    this.cancelDeadline();
    this.cancelDeadline = this.parts.later(() => {
      source.close();
      this.lost(true);
    }, SILENT_MILLISECONDS);
  }

  /** Asks /api/state; a good answer is a state like any other, and a feed that is gone opens again. */
  private async ask(): Promise<void> {
    if (this.probing) return;
    this.probing = true;
    try {
      const data = await this.parts.probe();
      this.parts.onMessage({ event: 'state', data });
      if (this.gone) this.retry();
    } catch (reason) {
      const signedOut = reason instanceof ApiError && reason.status === 401;
      this.tell(signedOut ? 'unauthorised' : 'reconnecting');
      this.retry();
    } finally {
      this.probing = false;
    }
  }

  private retry(): void {
    const waits = RETRY_MILLISECONDS;
    const wait =
      this.connection === 'unauthorised'
        ? SIGNED_OUT_MILLISECONDS
        : (waits[Math.min(this.failures, waits.length - 1)] ?? 0);
    this.failures += 1;
    this.cancelRetry();
    this.cancelRetry = this.parts.later(() => this.start(), wait);
  }

  private tell(connection: Connection): void {
    if (this.connection === connection) return;
    this.connection = connection;
    this.parts.onConnection(connection);
  }
}

/** Reads a message's data; null for what is no JSON object, which a newer daemon might send. */
export function parseMessage(event: (typeof EVENTS)[number], text: string): FeedMessage | null {
  try {
    const data: unknown = JSON.parse(text);
    return typeof data === 'object' && data !== null ? ({ event, data } as FeedMessage) : null;
  } catch {
    return null;
  }
}

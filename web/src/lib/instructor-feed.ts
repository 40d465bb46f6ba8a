// The instructor's live feed: comes back by itself behind the last message that was read, so nothing
// is missed or repeated, and says why when it cannot.

import { ApiError } from './api';
import type { Source } from './feed';
import type { InstructorStatus } from './protocol';

/** How the page is connected. */
export type InstructorConnection = 'connecting' | 'live' | 'reconnecting' | 'unauthorised' | 'off';

export const FACTS = [
  'state',
  'command',
  'connection',
  'report',
  'help',
  'hand',
  'transition',
] as const;
export type FactKind = (typeof FACTS)[number];

/** A record as it was logged; `event` is missing in a command. */
export interface LoggedRecord {
  ts: string;
  event?: string;
  [field: string]: unknown;
}

/** One message: `id` is the place behind it. */
export type InstructorMessage =
  | { kind: 'status'; status: InstructorStatus }
  | { kind: FactKind; id: string; record: LoggedRecord };

export interface InstructorFeedParts {
  open(after: string): Source;
  probe(): Promise<InstructorStatus>;
  later(action: () => void, milliseconds: number): () => void;
  onMessage(message: InstructorMessage): void;
  onConnection(connection: InstructorConnection): void;
}

const CLOSED = 2; // EventSource.CLOSED
const RETRY_MILLISECONDS = [500, 1000, 2000, 4000];
const SIGNED_OUT_MILLISECONDS = 5000;
export const BEGINNING = '0-0';

/** Keeps the feed open for as long as the page lives. */
export class InstructorFeed {
  private source: Source | null = null;
  private cancelRetry: () => void = () => undefined;
  private failures = 0;
  private place = BEGINNING;
  private connection: InstructorConnection = 'connecting';

  constructor(private readonly parts: InstructorFeedParts) {}

  start(): void {
    this.stop();
    const source = this.parts.open(this.place);
    this.source = source;
    const hear = (kind: 'status' | FactKind) =>
      source.addEventListener(kind, (event) => {
        if (source === this.source) this.receive(kind, event);
      });
    hear('status');
    FACTS.forEach(hear);
    source.addEventListener('error', () => {
      if (source === this.source) this.lost(source.readyState === CLOSED);
    });
  }

  stop(): void {
    this.cancelRetry();
    this.source?.close();
    this.source = null;
  }

  /** Begins again from the first fact: another session answers here now. */
  restart(): void {
    this.place = BEGINNING;
    this.start();
  }

  private receive(kind: 'status' | FactKind, event: MessageEvent<string>): void {
    const data = parseObject(event.data);
    if (data === null) return;
    this.failures = 0;
    this.tell('live');
    if (event.lastEventId !== '') this.place = event.lastEventId;
    if (kind === 'status')
      this.parts.onMessage({ kind, status: data as unknown as InstructorStatus });
    else this.parts.onMessage({ kind, id: event.lastEventId, record: data as LoggedRecord });
  }

  private lost(forGood: boolean): void {
    if (this.connection === 'live') this.tell('reconnecting');
    if (forGood) void this.ask();
  }

  /** EventSource does not say why it gave up. */
  private async ask(): Promise<void> {
    try {
      await this.parts.probe();
    } catch (reason) {
      const status = reason instanceof ApiError ? reason.status : 0;
      if (status === 401) this.tell('unauthorised');
      else if (status === 404) this.tell('off');
      else if (this.connection !== 'connecting') this.tell('reconnecting');
    }
    const waits = RETRY_MILLISECONDS;
    const wait =
      this.connection === 'unauthorised' || this.connection === 'off'
        ? SIGNED_OUT_MILLISECONDS
        : (waits[Math.min(this.failures, waits.length - 1)] ?? 0);
    this.failures += 1;
    this.cancelRetry();
    this.cancelRetry = this.parts.later(() => this.start(), wait);
  }

  private tell(connection: InstructorConnection): void {
    if (this.connection === connection) return;
    this.connection = connection;
    this.parts.onConnection(connection);
  }
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const data: unknown = JSON.parse(text);
    return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

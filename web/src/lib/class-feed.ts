// The wall's stream: everything at the beginning, then what changes. It comes back by itself.

import type { Source } from './feed';
import type { ClassView, ScreenView, SeatView } from './protocol';

export type WallConnection = 'connecting' | 'live' | 'reconnecting' | 'unauthorised';

/** One message of the stream. */
export type WallMessage =
  | { event: 'seat'; data: SeatView }
  | { event: 'class'; data: ClassView }
  | { event: 'screen'; data: ScreenView };

export interface ClassFeedParts {
  open(screens: boolean): Source;
  /** The status with which the wall answers now; 0 when it does not. */
  probe(): Promise<number>;
  later(action: () => void, milliseconds: number): () => void;
  onMessage(message: WallMessage): void;
  onConnection(connection: WallConnection): void;
}

const EVENTS = ['seat', 'class', 'screen'] as const;
const CLOSED = 2; // EventSource.CLOSED
const RETRY_MILLISECONDS = 1000;

/** Keeps the stream open for as long as the page lives. */
export class ClassFeed {
  private source: Source | null = null;
  private cancelRetry: () => void = () => undefined;
  private connection: WallConnection = 'connecting';
  private screens = true;

  constructor(private readonly parts: ClassFeedParts) {}

  /** Opens the stream; with other `screens` it is opened anew. */
  start(screens: boolean): void {
    this.stop();
    this.screens = screens;
    const source = this.parts.open(screens);
    this.source = source;
    for (const event of EVENTS)
      source.addEventListener(event, ({ data }) => {
        if (source !== this.source) return;
        this.tell('live');
        this.parts.onMessage({ event, data: JSON.parse(data) } as WallMessage);
      });
    source.addEventListener('error', () => {
      if (source === this.source) this.lost(source.readyState === CLOSED);
    });
  }

  stop(): void {
    this.cancelRetry();
    this.source?.close();
    this.source = null;
  }

  private lost(forGood: boolean): void {
    if (this.connection === 'live') this.tell('reconnecting');
    if (forGood) void this.retry();
  }

  private async retry(): Promise<void> {
    const source = this.source;
    const status = await this.parts.probe();
    if (source !== this.source) return;
    if (status === 401) this.tell('unauthorised');
    this.cancelRetry = this.parts.later(() => this.start(this.screens), RETRY_MILLISECONDS);
  }

  private tell(connection: WallConnection): void {
    if (this.connection === connection) return;
    this.connection = connection;
    this.parts.onConnection(connection);
  }
}

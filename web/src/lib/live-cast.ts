// A terminal that somebody else types in, as server-sent asciicast events: header, screen, then all
// that happens. EventSource comes back by itself behind the last byte it had.

import type { Source } from './feed';

/** What draws. */
export interface LiveScreen {
  resize(cols: number, rows: number): void;
  /** `begins`: this redraws everything. */
  output(text: string): void;
  /** The view is open, away for a moment, or over. */
  status(status: LiveStatus): void;
}

export type LiveStatus = 'connecting' | 'live' | 'away' | 'ended';

const CLOSED = 2; // EventSource.CLOSED
const SIZE = /^(\d{1,4})x(\d{1,4})$/;

/** Follows one live view until `stop`. */
export class LiveCast {
  private readonly source: Source;

  constructor(
    open: () => Source,
    private readonly screen: LiveScreen,
  ) {
    screen.status('connecting');
    this.source = open();
    this.source.addEventListener('message', (event) => this.receive(event.data));
    this.source.addEventListener('error', () =>
      this.screen.status(this.source.readyState === CLOSED ? 'ended' : 'away'),
    );
  }

  stop(): void {
    this.source.close();
  }

  private receive(data: string): void {
    const message = parse(data);
    if (Array.isArray(message)) this.event(message[1], message[2]);
    else if (message !== null && typeof message === 'object') this.begin(message);
  }

  private begin(header: object): void {
    const { width, height } = header as { width?: unknown; height?: unknown };
    if (typeof width === 'number' && typeof height === 'number') this.screen.resize(width, height);
    this.screen.status('live');
  }

  private event(kind: unknown, text: unknown): void {
    if (typeof text !== 'string') return;
    if (kind === 'o') this.screen.output(text);
    const size = kind === 'r' ? SIZE.exec(text) : null;
    if (size) this.screen.resize(Number(size[1]), Number(size[2]));
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

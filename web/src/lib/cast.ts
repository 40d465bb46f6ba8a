// asciicast files of the versions 2 and 3: a header line, then one event a line.
// https://docs.asciinema.org/manual/asciicast/v2/ and /v3/. Anybody can put such a file where it is
// listed, so nothing in one may stop the page: a line that is no event is left out and counted.

import { EnteredFinder } from './entered';

/** Columns and rows of a terminal. */
export interface Size {
  cols: number;
  rows: number;
}

/** The first line; `started` is in seconds since the epoch. */
export interface CastHeader extends Size {
  started: number | null;
  title: string | null;
}

/**
 * `time` is in seconds since the start. A `screen` draws everything anew; at `entered` a line was
 * entered, and the screen shows it.
 */
export type CastEvent =
  | { time: number; kind: 'entered' }
  | { time: number; kind: 'output' | 'input' | 'marker'; text: string }
  | ({ time: number; kind: 'resize' } & Size)
  | ({ time: number; kind: 'screen'; text: string } & Size);

/** A file that was read; `skipped` counts the lines that were no events. */
export interface Cast {
  header: CastHeader;
  events: CastEvent[];
  skipped: number;
}

/** A file that is no cast, as a sentence. */
export class CastError extends Error {
  override readonly name = 'CastError';
}

const DEFAULT_SIZE: Size = { cols: 80, rows: 24 };
const LARGEST_SIDE = 1000; // as the terminal's own; a forged size must not take the page's memory
const LARGEST_SECONDS = 1e9;
const LARGEST_LINE = 4 << 20; // characters

/** Reads a cast that comes in pieces of any length. */
export class CastReader {
  private header: CastHeader | null = null;
  private parse: (line: string) => CastEvent | 'nothing' | null = () => null;
  private readonly events: CastEvent[] = [];
  private readonly entered = new EnteredFinder();
  private skipped = 0;
  private rest: string[] = []; // pieces of a line without its end
  private restLength = 0;

  /** Takes the next piece; raises CastError when the file is no cast. */
  feed(text: string): void {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.keep(text.slice(start, end));
      this.line();
      start = end + 1;
    }
    if (start < text.length) this.keep(text.slice(start));
  }

  /** What was read; raises CastError when there is no header. A torn last line is left out. */
  end(): Cast {
    const before = this.skipped;
    if (this.rest.length > 0) this.line();
    this.skipped = before;
    if (!this.header) throw new CastError('This file is empty: it holds no recording.');
    return { header: this.header, events: this.events, skipped: this.skipped };
  }

  private keep(piece: string): void {
    this.restLength += piece.length;
    // A line without an end shall not fill the memory; too long, it is no event anyway.
    if (this.restLength <= LARGEST_LINE) this.rest.push(piece);
  }

  private line(): void {
    const line = this.restLength <= LARGEST_LINE ? this.rest.join('') : '';
    const isTooLong = this.restLength > LARGEST_LINE;
    this.rest = [];
    this.restLength = 0;
    if (!this.header) {
      const { header, isRelative } = parseHeader(line);
      this.header = header;
      this.parse = eventParser(isRelative);
      return;
    }
    const event = this.parse(line);
    if (event === null || isTooLong) this.skipped += 1;
    else if (event !== 'nothing') this.events.push(...this.entered.take(event));
  }
}

function parseHeader(line: string): { header: CastHeader; isRelative: boolean } {
  const value = parsed(line);
  if (!isObject(value) || typeof value['version'] !== 'number')
    throw new CastError('This file is no recording: its first line is no asciicast header.');
  const { version, timestamp, title } = value;
  if (version !== 2 && version !== 3)
    throw new CastError(
      `This recording has the asciicast version ${version}; only the versions 2 and 3 can be ` +
        'played here. Download it and convert it with “asciinema convert”.',
    );
  const term = isObject(value['term']) ? value['term'] : {};
  const size = version === 3 ? sizeOf(term['cols'], term['rows']) : null;
  return {
    header: {
      ...(size ?? sizeOf(value['width'], value['height']) ?? DEFAULT_SIZE),
      started: isSeconds(timestamp, 1e12) ? timestamp : null,
      title: typeof title === 'string' && title.trim() !== '' ? title : null,
    },
    isRelative: version === 3,
  };
}

/** Parses lines one after the other: null for what is no event, `nothing` for what says nothing. */
export function eventParser(isRelative: boolean): (line: string) => CastEvent | 'nothing' | null {
  let last = 0;
  return (line) => {
    if (line.trim() === '' || line.startsWith('#')) return 'nothing'; // version 3 has comments
    const value = parsed(line);
    if (!Array.isArray(value)) return null;
    const [seconds, code, text] = value as unknown[];
    if (typeof code !== 'string' || typeof text !== 'string') return null;
    if (!isSeconds(seconds, LARGEST_SECONDS)) return null;
    const time = isRelative ? last + seconds : Math.max(last, seconds); // a clock does not go back
    if (time > LARGEST_SECONDS) return null;
    last = time;
    return eventOf(time, code, text);
  };
}

function eventOf(time: number, code: string, text: string): CastEvent | 'nothing' | null {
  switch (code) {
    case 'o':
      return { time, kind: 'output', text };
    case 'i':
      return { time, kind: 'input', text };
    case 'm':
      return { time, kind: 'marker', text };
    case 'r': {
      const [, cols, rows] = /^(\d{1,5})x(\d{1,5})$/.exec(text) ?? [];
      const size = sizeOf(Number(cols), Number(rows));
      return size && { time, kind: 'resize', ...size };
    }
    default:
      return 'nothing'; // of a newer version
  }
}

/** A usable size, or null: whole numbers from 1, cut to what a page can draw. */
export function sizeOf(cols: unknown, rows: unknown): Size | null {
  if (!Number.isSafeInteger(cols) || !Number.isSafeInteger(rows)) return null;
  const [width, height] = [cols as number, rows as number];
  if (width < 1 || height < 1) return null;
  return { cols: Math.min(width, LARGEST_SIDE), rows: Math.min(height, LARGEST_SIDE) };
}

/** The length of a cast in seconds. */
export function lengthOf(events: readonly CastEvent[]): number {
  return events.at(-1)?.time ?? 0;
}

function isSeconds(value: unknown, most: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= most;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // also a nesting too deep for the parser
  }
}

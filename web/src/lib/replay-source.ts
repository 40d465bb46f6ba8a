// Where a replay comes from: the cast, the command log, and what is still being recorded. All of it by
// addresses, so that a page of its own, the instructor's and one from a file can replay alike.

import type { Fetch } from './api';
import {
  CastError,
  CastReader,
  eventParser,
  sizeOf,
  type Cast,
  type CastEvent,
  type Size,
} from './cast';
import type { Command } from './protocol';

/** The part of `EventSource` that is used. */
export interface LiveSource {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface LiveHandlers {
  /** Something happened; a `screen` comes first, and again after every interruption. */
  event(event: CastEvent): void;
  /** Nothing more will come: the recording has ended, or it cannot be followed. */
  ended(): void;
}

/** Why a recording cannot be shown, as a sentence. */
export class ReplayError extends Error {
  override readonly name = 'ReplayError';
}

const CLOSED = 2; // EventSource.CLOSED
const SLICE_MILLISECONDS = 12; // of parsing, before the page gets its turn

/** Loads a cast; `onprogress` hears the bytes so far and, when it is known, of how many. */
export async function loadCast(
  fetch: Fetch,
  url: string,
  signal: AbortSignal,
  onprogress: (bytes: number, total: number | null) => void,
): Promise<Cast> {
  try {
    const response = await fetch(url, { signal, credentials: 'same-origin' });
    if (response.status === 404)
      throw new ReplayError('This recording is not here any more. It may have been deleted.');
    if (!response.ok || !response.body)
      throw new ReplayError(`The recording could not be loaded: status ${response.status}.`);
    return await readCast(
      response.body,
      Number(response.headers.get('content-length')),
      onprogress,
    );
  } catch (reason) {
    if (signal.aborted) throw reason;
    if (reason instanceof ReplayError || reason instanceof CastError) throw reason;
    throw new ReplayError('The recording could not be loaded: the workshop cannot be reached.');
  }
}

async function readCast(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  total: number,
  onprogress: (bytes: number, total: number | null) => void,
): Promise<Cast> {
  const reader = new CastReader();
  const decoder = new TextDecoder();
  const pieces = body.getReader();
  let bytes = 0;
  let sliceEnd = performance.now() + SLICE_MILLISECONDS;
  for (;;) {
    const { done, value } = await pieces.read();
    if (done) break;
    bytes += value.length;
    reader.feed(decoder.decode(value, { stream: true }));
    onprogress(bytes, total > 0 ? total : null);
    if (performance.now() > sliceEnd) {
      await new Promise((resume) => setTimeout(resume, 0));
      sliceEnd = performance.now() + SLICE_MILLISECONDS;
    }
  }
  reader.feed(decoder.decode());
  return reader.end();
}

/** The command log; empty when it can not be had, since a recording plays without it. */
export async function loadCommands(
  fetch: Fetch,
  url: string,
  signal: AbortSignal,
): Promise<Command[]> {
  try {
    const response = await fetch(url, { signal, credentials: 'same-origin' });
    const found: unknown = response.ok ? await response.json() : [];
    return Array.isArray(found) ? found.filter(isCommand) : [];
  } catch {
    return [];
  }
}

function isCommand(value: unknown): value is Command {
  const command = value as Partial<Command> | null;
  return typeof command?.cmd === 'string' && !Number.isNaN(Date.parse(command.ts ?? ''));
}

/** Follows a recording while it is written; the answer ends it. */
export function followCast(source: LiveSource, handlers: LiveHandlers): () => void {
  let over = false;
  const parse = eventParser(false);
  const end = () => {
    if (over) return;
    over = true;
    source.close();
    handlers.ended();
  };
  source.addEventListener('message', ({ data }) => {
    if (over) return;
    const event = data.startsWith('[') ? (parse(data) ?? resizeOf(data)) : startOf(data);
    if (event !== null && event !== 'nothing') handlers.event(event);
  });
  source.addEventListener('done', end);
  // A lost connection comes back by itself; one that was refused does not.
  source.addEventListener('error', () => {
    if (source.readyState === CLOSED) end();
  });
  return () => {
    over = true;
    source.close();
  };
}

/** A size, which is an object in an event stream and a text in a file. */
function resizeOf(data: string): CastEvent | null {
  try {
    const [time, code, value] = JSON.parse(data) as [unknown, unknown, Partial<Size> | null];
    const size = sizeOf(value?.cols, value?.rows);
    if (code !== 'r' || typeof time !== 'number' || !size) return null;
    return { time, kind: 'resize', ...size };
  } catch {
    return null;
  }
}

/** The first message, in the shape that asciinema-player takes from an event stream. */
function startOf(data: string): CastEvent | null {
  try {
    const value = JSON.parse(data) as Record<string, unknown>;
    const size = sizeOf(value['width'] ?? value['cols'], value['height'] ?? value['rows']);
    const { time, init } = value;
    if (!size || typeof time !== 'number' || !(time >= 0)) return null;
    return { time, kind: 'screen', text: typeof init === 'string' ? init : '', ...size };
  } catch {
    return null;
  }
}

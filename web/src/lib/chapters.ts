// What happened in a recording, and when: its markers, joined with the command log.
//
// The daemon marks a step's start (`step ID`), the outcome of a check run (`check ID: OUTCOME`) and
// the end of a command (`$ COMMAND`, cut). The command log knows the rest of it: the whole command, its
// exit code and its run time, by which the moment it was typed is found.

import { lengthOf, type Cast, type CastEvent } from './cast';
import { countWhile } from './ordered';
import type { Command, Report } from './protocol';

type Outcome = Report['outcome'];

/** A command; `at` is when it was typed, `end` when it ended, both seconds since the start. */
export interface TypedCommand {
  kind: 'command';
  at: number;
  end: number;
  text: string;
  exit?: number;
  ms?: number;
  cwd?: string;
}

export type Chapter =
  | TypedCommand
  | { kind: 'step'; at: number; step: string }
  | { kind: 'check'; at: number; step: string; outcome: Outcome }
  | { kind: 'note'; at: number; text: string };

/** A heading and what happened under it; only the first may have none. */
export interface Section {
  step: string | null;
  at: number;
  chapters: Exclude<Chapter, { kind: 'step' }>[];
}

const MARKER_CHARACTERS = 80; // the daemon cuts there
const APART_SECONDS = 10; // between a command's end and its marker, at most; a busy daemon is late
const ENTER_SECONDS = 1.5; // between a line and its command's start, at most
const EARLY_SECONDS = 0.05; // clocks are not the same to the last millisecond
const STEP = /^step ([a-z0-9][a-z0-9._-]{0,62})$/;
const CHECK = /^check ([a-z0-9][a-z0-9._-]{0,62}): (passed|failed|error)$/;
const LARGEST_NOTE = 200;

/**
 * Everything that happened, in the order of `at`. `terminal` is whose recording it is. Null stands
 * for a file of another program, which has no markers of commands: those are its that were typed, in
 * whatever terminal, while it was recorded.
 */
export function chaptersOf(
  cast: Cast,
  commands: readonly Command[],
  terminal: string | null,
): Chapter[] {
  const { started } = cast.header;
  const markers = cast.events.filter(isMarker);
  const enters = cast.events.filter((event) => event.kind === 'entered').map(({ time }) => time);
  const log = commands.filter((each) => terminal === null || (each.term ?? terminal) === terminal);
  const chapters = joined(markers, log, started, enters);
  if (terminal === null && !chapters.some((chapter) => chapter.kind === 'command'))
    chapters.push(...placed(log, started, lengthOf(cast.events), enters));
  return chapters.sort((one, other) => one.at - other.at);
}

type Marker = Extract<CastEvent, { kind: 'output' | 'input' | 'marker' }>;

function isMarker(event: CastEvent): event is Marker {
  return event.kind === 'marker';
}

function joined(
  markers: readonly Marker[],
  log: readonly Command[],
  started: number | null,
  enters: readonly number[],
): Chapter[] {
  const labels = log.map((command) => ({ command, label: labelOf(command.cmd), used: false }));
  return markers.map((marker): Chapter => {
    const { time, text } = marker;
    const [, step] = STEP.exec(text) ?? [];
    if (step !== undefined) return { kind: 'step', at: time, step };
    const [, checked, outcome] = CHECK.exec(text) ?? [];
    if (checked !== undefined)
      return { kind: 'check', at: time, step: checked, outcome: outcome as Outcome };
    if (!text.startsWith('$ ')) return { kind: 'note', at: time, text: plain(text) };
    const found = labels.find(
      (each) => !each.used && each.label === text && isNear(each.command, started, time),
    );
    if (!found) return typed(time, enters, { cmd: plain(text.slice(2)) });
    found.used = true;
    return typed(time, enters, found.command);
  });
}

/** Commands of the log that were typed while a cast without marks of them was recorded. */
function placed(
  log: readonly Command[],
  started: number | null,
  length: number,
  enters: readonly number[],
): Chapter[] {
  if (started === null) return [];
  return log.flatMap((command) => {
    const end = Date.parse(command.ts) / 1000 - started;
    const ran = end - (command.ms ?? 0) / 1000;
    return ran >= 0 && ran <= length ? [typed(Math.min(end, length), enters, command)] : [];
  });
}

function isNear(command: Command, started: number | null, time: number): boolean {
  if (started === null) return true;
  return Math.abs(Date.parse(command.ts) / 1000 - started - time) <= APART_SECONDS;
}

function typed(
  end: number,
  enters: readonly number[],
  { cmd, exit, ms, cwd }: Partial<Command> & { cmd: string },
): TypedCommand {
  return {
    kind: 'command',
    at: typedAt(end, ms, enters),
    end,
    text: cmd,
    ...(exit !== undefined && { exit }),
    ...(ms !== undefined && { ms }),
    ...(cwd !== undefined && { cwd }),
  };
}

/** When its line was entered: the last time before it ran that one was, when input is recorded. */
function typedAt(end: number, ms: number | undefined, enters: readonly number[]): number {
  const ran = Math.max(0, end - (ms ?? 0) / 1000);
  const enter = enters[countWhile(enters, (time) => time <= ran + EARLY_SECONDS) - 1];
  if (enter === undefined || (ms !== undefined && ran - enter > ENTER_SECONDS)) return ran;
  return Math.min(enter, end);
}

/** The marker that the daemon writes for a command. */
export function labelOf(command: string): string {
  const text = Array.from(`$ ${Array.from(command).slice(0, MARKER_CHARACTERS).join('')}`)
    .map((character) => (isPrintable(character) ? character : ' '))
    .slice(0, MARKER_CHARACTERS);
  return text.join('').trimEnd();
}

function isPrintable(character: string): boolean {
  return character === ' ' || !/[\p{C}\p{Z}]/u.test(character);
}

/** Text of a foreign marker as one short line. */
function plain(text: string): string {
  const shown = Array.from(text.slice(0, 4 * LARGEST_NOTE), (each) =>
    isPrintable(each) ? each : ' ',
  );
  const line = shown.join('').trim();
  return line.length > LARGEST_NOTE ? `${line.slice(0, LARGEST_NOTE)}…` : line;
}

/** Chapters under the steps they happened in. */
export function sectionsOf(chapters: readonly Chapter[]): Section[] {
  const sections: Section[] = [{ step: null, at: 0, chapters: [] }];
  for (const chapter of chapters) {
    if (chapter.kind === 'step')
      sections.push({ step: chapter.step, at: chapter.at, chapters: [] });
    else sections.at(-1)?.chapters.push(chapter);
  }
  return sections.filter((section) => section.step !== null || section.chapters.length > 0);
}

/** Only the commands that hold every word of `query`, under their headings. */
export function search(sections: readonly Section[], query: string): Section[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...sections];
  return sections
    .map((section) => ({
      ...section,
      chapters: section.chapters.filter(
        (chapter) =>
          chapter.kind === 'command' &&
          words.every((word) => chapter.text.toLowerCase().includes(word)),
      ),
    }))
    .filter((section) => section.chapters.length > 0);
}

/** The command that was typed last at a moment, or null. */
export function commandAt(commands: readonly TypedCommand[], time: number): TypedCommand | null {
  return commands[countWhile(commands, ({ at }) => at <= time + EARLY_SECONDS) - 1] ?? null;
}

// What the wall says of a class, as values and sentences; components only place them.

import { ago, clock } from './durations';
import type { Funnel, SeatView, StudentStatus, StudentStep } from './protocol';

/** What matters most about a student now, in this order. */
export type Condition =
  'hand' | 'stuck' | 'lost' | 'finished' | 'working' | 'quiet' | 'away' | 'unknown';

export const FILTERS = ['Everybody', 'Need help', 'Not connected', 'Finished'] as const;
export type Filter = (typeof FILTERS)[number];

export const ORDERS = ['As in the roster', 'By name', 'Furthest behind first'] as const;
export type Order = (typeof ORDERS)[number];

/** The most pressing thing about a seat. */
export function condition(seat: SeatView): Condition {
  const { student } = seat;
  if (seat.reach === 'unreachable' || seat.reach === 'refused') return 'lost';
  if (!student) return 'unknown';
  if (student.hand) return 'hand';
  if (student.stuck.length > 0) return 'stuck';
  if (student.finished) return 'finished';
  if (student.connected === 0) return 'away';
  return student.running ? 'working' : 'quiet';
}

/** The condition as a word for the tile. */
export function conditionWord(seat: SeatView): string {
  const found = condition(seat);
  switch (found) {
    case 'hand':
      return 'Hand up';
    case 'stuck':
      return 'Stuck?';
    case 'lost':
      return seat.reach === 'refused' ? 'No access' : 'Unreachable';
    case 'finished':
      return 'Finished';
    case 'working':
      return 'Working';
    case 'quiet':
      return 'Quiet';
    case 'away':
      return 'Page closed';
    case 'unknown':
      return 'Connecting…';
    default:
      return found satisfies never;
  }
}

/** Why a daemon is not heard, with since when. */
export function lostSentence(seat: SeatView, now: number): string {
  const why = seat.why ?? 'The connection is lost.';
  return seat.since === undefined ? why : `${why} Last heard ${ago(seat.since, now)}.`;
}

/** The step that is looked at, as `3/8` and its title. */
export function position(student: StudentStatus): { number: string; title: string } {
  const at = student.steps.findIndex((step) => step.id === student.viewedStep);
  return {
    number: `${at + 1}/${student.steps.length}`,
    title: student.steps[at]?.title ?? student.viewedStep,
  };
}

/** A workshop's title; with its name when another one has the same. */
export function workshopName(one: Funnel, all: readonly Funnel[]): string {
  const isAlone = all.every((each) => each === one || each.title !== one.title);
  return isAlone ? one.title : `${one.title} · ${one.workshop}`;
}

/** What a cell of the matrix shows. */
export interface Cell {
  kind: 'done' | 'stuck' | 'here' | 'tried' | 'none';
  /** Minutes and seconds on the step; empty when nothing was spent. */
  time: string;
  failed: number;
  sentence: string;
}

/** One student's step. */
export function cellOf(student: StudentStatus, step: StudentStep | undefined): Cell {
  if (!step) return { kind: 'none', time: '', failed: 0, sentence: 'not in this version' };
  const isHere = !student.finished && student.viewedStep === step.id;
  const isStuck = isHere && student.stuck.length > 0;
  const time = step.onTaskSeconds > 0 ? clock(step.onTaskSeconds) : '';
  const kind = step.completed
    ? 'done'
    : isStuck
      ? 'stuck'
      : isHere
        ? 'here'
        : time !== '' || step.attempts > 0
          ? 'tried'
          : 'none';
  const words = {
    done: 'completed',
    stuck: 'stuck here',
    here: 'is here',
    tried: 'begun, not completed',
    none: 'not begun',
  };
  const parts: string[] = [words[kind]];
  if (time !== '') parts.push(`${time} on task`);
  if (step.failed > 0)
    parts.push(`${step.failed} failed ${step.failed === 1 ? 'check' : 'checks'}`);
  return { kind, time, failed: step.failed, sentence: parts.join(', ') };
}

/** The seats that a filter and a search leave, in the wanted order. */
export function arranged(
  seats: readonly SeatView[],
  filter: Filter,
  search: string,
  order: Order,
): SeatView[] {
  const word = search.trim().toLowerCase();
  const found = seats.filter(
    (seat) => passes(seat, filter) && (word === '' || seat.name.toLowerCase().includes(word)),
  );
  if (order === 'By name')
    found.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  if (order === 'Furthest behind first')
    found.sort((a, b) => (a.student?.completed ?? -1) - (b.student?.completed ?? -1));
  return found;
}

/** How many seats there are of each kind. */
export function counts(seats: readonly SeatView[]): Record<Filter, number> {
  const count = (filter: Filter) => seats.filter((seat) => passes(seat, filter)).length;
  return {
    Everybody: seats.length,
    'Need help': count('Need help'),
    'Not connected': count('Not connected'),
    Finished: count('Finished'),
  };
}

function passes(seat: SeatView, filter: Filter): boolean {
  const found = condition(seat);
  switch (filter) {
    case 'Everybody':
      return true;
    case 'Need help':
      return found === 'hand' || found === 'stuck';
    case 'Not connected':
      return found === 'lost' || found === 'away' || found === 'unknown';
    case 'Finished':
      return found === 'finished';
    default:
      return filter satisfies never;
  }
}

/** Where the focus goes among tiles in rows of `columns`; null for a key that moves nothing. */
export function tileAfterKey(
  at: number,
  count: number,
  columns: number,
  key: string,
): number | null {
  const moves: Record<string, number> = {
    ArrowRight: at + 1,
    ArrowLeft: at - 1,
    ArrowDown: at + columns,
    ArrowUp: at - columns,
    Home: 0,
    End: count - 1,
  };
  const next = moves[key];
  return next === undefined ? null : next >= 0 && next < count ? next : at;
}

/** How wide a tile is at least, in pixels: few students are shown larger. */
export function tileWidth(count: number): number {
  return count <= 12 ? 300 : 240;
}

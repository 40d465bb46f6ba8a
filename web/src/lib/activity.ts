// What a student did, as rows of the instructor's page: made from facts of the feed, filtered, searched.

import type { FactKind, LoggedRecord } from './instructor-feed';

/** One command. */
export interface CommandRow {
  id: string;
  ts: string;
  cmd: string;
  exit: number;
  ms: number | null;
  cwd: string | null;
  term: string | null;
  cut: boolean;
  /** The step that was viewed then. */
  step: string | null;
}

/** One failing result of a check run. */
export interface FailedCheck {
  name: string;
  /** The author's word for it. */
  title: string | null;
  summary: string | null;
  expected: string | null;
  found: string | null;
}

/** One check run. */
export interface CheckRow {
  id: string;
  ts: string;
  step: string;
  outcome: 'passed' | 'failed' | 'error';
  passed: number;
  total: number;
  trigger: string;
  ms: number;
  failed: FailedCheck[];
}

/** One piece of help: what was asked and what came back. */
export interface HelpRow {
  id: string;
  ts: string;
  step: string;
  mode: string;
  source: string;
  outcome: string;
  question: string | null;
  response: string;
  /** What the student thought of it; null when they did not say. */
  useful: boolean | null;
}

/** Help, a hand, a move of the machine, a look at a step: anything worth a line. */
export interface HappeningRow {
  id: string;
  ts: string;
  kind: 'help' | 'hand' | 'move' | 'step' | 'page' | 'watch' | 'session';
  text: string;
  detail: string | null;
}

/** Reads a command; null for what is none. */
export function commandRow(
  id: string,
  record: LoggedRecord,
  step: string | null,
): CommandRow | null {
  if (typeof record['cmd'] !== 'string') return null;
  return {
    id,
    ts: record.ts,
    cmd: record['cmd'],
    exit: numberOf(record['exit']) ?? 0,
    ms: numberOf(record['ms']),
    cwd: textOf(record['cwd']),
    term: textOf(record['term']),
    cut: record['cut'] === true,
    step,
  };
}

/** Reads a check run; null for what is none. */
export function checkRow(id: string, record: LoggedRecord): CheckRow | null {
  const { outcome, step } = record;
  if (outcome !== 'passed' && outcome !== 'failed' && outcome !== 'error') return null;
  const counts = objectOf(record['checks']);
  const results = Array.isArray(record['results']) ? (record['results'] as unknown[]) : [];
  return {
    id,
    ts: record.ts,
    step: textOf(step) ?? '',
    outcome,
    passed: numberOf(counts['passed']) ?? 0,
    total: (numberOf(counts['total']) ?? 0) - (numberOf(counts['skipped']) ?? 0),
    trigger: textOf(record['trigger']) ?? '',
    ms: numberOf(record['duration_ms']) ?? 0,
    failed: results.map(objectOf).map((each) => ({
      name: textOf(each['name']) ?? '',
      title: textOf(each['title']),
      summary: textOf(each['summary']),
      expected: textOf(each['expected']),
      found: textOf(each['found']),
    })),
  };
}

/** Reads the help history: interactions, and ratings of them that follow. */
export function helpRows(records: readonly Record<string, unknown>[]): HelpRow[] {
  const rows = new Map<string, HelpRow>();
  for (const record of records) {
    const rated = textOf(record['rated']);
    const known = rated === null ? undefined : rows.get(rated);
    if (known) known.useful = record['useful'] === true;
    if (rated !== null) continue;
    const id = textOf(record['id']) ?? `${textOf(record['ts']) ?? ''} ${rows.size}`;
    rows.set(id, {
      id,
      ts: textOf(record['ts']) ?? '',
      step: textOf(record['step']) ?? '',
      mode: textOf(record['mode']) ?? '',
      source: textOf(record['source']) ?? '',
      outcome: textOf(record['outcome']) ?? '',
      question: textOf(record['question']),
      response: textOf(record['response']) ?? '',
      useful: null,
    });
  }
  return [...rows.values()];
}

/** Reads anything else worth a line; null for what is not. */
export function happeningRow(
  id: string,
  kind: FactKind,
  record: LoggedRecord,
  titleOf: (step: string) => string,
): HappeningRow | null {
  const row = (what: HappeningRow['kind'], text: string, detail: string | null = null) => ({
    id,
    ts: record.ts,
    kind: what,
    text,
    detail,
  });
  const title = `“${titleOf(textOf(record['step']) ?? '')}”`;
  const terminal = textOf(record['terminal']) ?? '';
  const by = textOf(record['by']);
  switch (record.event) {
    case 'help_given':
      return row(
        'help',
        `Asked for help with ${title}`,
        `${textOf(record['mode']) ?? ''}, from the ${textOf(record['source']) ?? ''}`,
      );
    case 'hand_raised':
      return row('hand', 'Raised a hand', textOf(record['note']));
    case 'hand_lowered':
      return row(
        'hand',
        by === 'student' ? 'Took the hand down' : 'An instructor lowered the hand',
        textOf(record['note']),
      );
    case 'transition_requested':
      return row('move', moveText(textOf(record['kind']), title));
    case 'transition_completed':
      return row('move', `The machine is at ${title} now`);
    case 'transition_failed':
      return row('move', 'The machine could not be moved', textOf(record['reason']));
    case 'transition_cancelled':
      return row('move', 'The move was withdrawn');
    case 'step_viewed':
      return row('step', `Looks at ${title}`);
    case 'step_completed':
      return row('step', `Ticked off ${title}`);
    case 'session_started':
      return row('session', 'The daemon started');
    case 'session_stopped':
      return row('session', 'The daemon stopped');
    case 'log_damaged':
      return row('session', 'The command log was damaged', textOf(record['what']));
    case 'connected':
      return row('page', `Opened the terminal ${terminal}`);
    case 'disconnected':
      return row('page', `Left the terminal ${terminal}`);
    case 'watch_requested':
      return row(
        'watch',
        record['kind'] === 'assist'
          ? `An instructor asked to type in ${terminal}`
          : `An instructor asked to watch ${terminal}`,
      );
    case 'watch_answered':
      return row(
        'watch',
        record['allowed'] === true ? 'The student said yes' : 'The student said no',
      );
    case 'watch_ended':
      return row('watch', by === 'student' ? 'The student ended it' : 'The instructor ended it');
    case 'watching_chosen':
      return row('watch', `The student chose: watching ${textOf(record['watching']) ?? ''}`);
    case 'watcher_joined':
      return row('watch', `Somebody watches ${terminal}`);
    case 'watcher_left':
      return row('watch', `Nobody watches ${terminal} any more`);
    default:
      return kind === 'help' || kind === 'hand' ? row(kind, record.event ?? kind) : null;
  }
}

/** Which commands are shown. */
export interface CommandFilter {
  text: string;
  failedOnly: boolean;
  terminal: string | null;
}

/** Whether a command is one of those; several words must all be there. */
export function matches(row: CommandRow, filter: CommandFilter): boolean {
  if (filter.failedOnly && row.exit === 0) return false;
  if (filter.terminal !== null && row.term !== filter.terminal) return false;
  const text = row.cmd.toLowerCase();
  return filter.text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function moveText(kind: string | null, title: string): string {
  if (kind === 'reset') return `Starts ${title} over`;
  if (kind === 'solve') return `Has ${title} solved`;
  return `Moves the machine to ${title}`;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

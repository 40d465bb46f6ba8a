// Where in the recordings a command is.

import type { CommandRow } from './activity';
import type { RecordingInfo } from './protocol';

/** A recording and the second in it to begin with. */
export interface Moment {
  recording: RecordingInfo;
  at: number;
}

const LEAD_SECONDS = 2; // before the command ran: a recording's start is known to the second

/** The moment just before a command ran; null when that was not recorded. */
export function momentOf(
  row: Pick<CommandRow, 'ts' | 'ms' | 'term'>,
  recordings: readonly RecordingInfo[],
): Moment | null {
  const began = Date.parse(row.ts) - (row.ms ?? 0);
  const found = recordings
    .filter((each) => each.started !== undefined && each.terminal === (row.term ?? 'main'))
    .filter((each) => Date.parse(each.started ?? '') <= began + 1000)
    .sort((one, other) => Date.parse(one.started ?? '') - Date.parse(other.started ?? ''))
    .at(-1);
  if (!found) return null;
  const at = (began - Date.parse(found.started ?? '')) / 1000 - LEAD_SECONDS;
  if (!found.live && found.durationMs !== undefined && at * 1000 > found.durationMs + 5000)
    return null;
  return { recording: found, at: Math.max(0, at) };
}

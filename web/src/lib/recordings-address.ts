// Where the recordings are in the page's address: `#recordings` is the list, `#recordings/NAME` one of
// them, `?t=SECONDS` behind it a moment. So reload, back, and a link to a moment work.

/** What is shown of the recordings; `at` is in seconds since the recording's start. */
export interface RecordingsPlace {
  name: string | null;
  at: number | null;
}

const ROOT = '#recordings';
const LARGEST_SECONDS = 1e9;

/** Reads the fragment of an address; null when it is about something else. */
export function parsePlace(fragment: string): RecordingsPlace | null {
  const [path = '', query = ''] = split(fragment, '?');
  if (path === ROOT || path === `${ROOT}/`) return { name: null, at: null };
  if (!path.startsWith(`${ROOT}/`)) return null;
  try {
    const name = decodeURIComponent(path.slice(ROOT.length + 1));
    return { name, at: secondsOf(new URLSearchParams(query).get('t')) };
  } catch {
    return { name: null, at: null }; // no address of ours: the list at least
  }
}

/** The fragment for a place. */
export function formatPlace({ name, at }: RecordingsPlace): string {
  if (name === null) return ROOT;
  const moment = at === null ? '' : `?t=${String(Math.round(at * 1e6) / 1e6)}`;
  return `${ROOT}/${encodeURIComponent(name)}${moment}`;
}

function split(text: string, separator: string): string[] {
  const index = text.indexOf(separator);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

function secondsOf(text: string | null): number | null {
  if (text === null || !/^\d+(\.\d+)?$/.test(text)) return null;
  return Math.min(Number(text), LARGEST_SECONDS);
}

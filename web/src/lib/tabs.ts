// Which terminals have a tab, what it says, and which one is next.

import type { TerminalInfo } from './protocol';

export const MAX_TERMINALS = 8; // the daemon's own limit
export const TITLE_CHARACTERS = 40; // and that of a title

/** One terminal's tab. */
export interface Tab {
  name: string;
  /** What its student calls it, or null. */
  title: string | null;
  /** What the tab says. */
  label: string;
  /** Whether a shell runs in it. */
  running: boolean;
}

const NAME = /^[a-z0-9-]{1,32}$/;

/** Whether a value is what programs call a terminal by. */
export function isTerminalName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

/** `main` first, whether or not the daemon has it, then the others in the order they were opened. */
export function tabsOf(terminals: readonly TerminalInfo[]): Tab[] {
  const known = new Map(terminals.map((each) => [each.name, each]));
  return [...new Set(['main', ...known.keys()])].map((name) => {
    const title = known.get(name)?.title ?? null;
    return {
      name,
      title,
      label: title ?? plainLabel(name),
      running: known.get(name)?.running ?? false,
    };
  });
}

/** What a tab says without a title: an author's name as it is, one of the daemon's in words. */
export function plainLabel(name: string): string {
  return name === 'main' ? 'Terminal' : name.replace(/^terminal-(?=\d+$)/, 'Terminal ');
}

/** The title that what was written into a tab means: none when it is what the tab says anyway. */
export function titleFrom(written: string, name: string): string {
  const title = written.replace(/\s+/g, ' ').trim();
  return title === plainLabel(name) ? '' : title;
}

/** The tab after a key in the list of tabs, or null when the key means nothing there. */
export function tabAfterKey(names: readonly string[], shown: string, key: string): string | null {
  const count = names.length;
  switch (key) {
    case 'ArrowRight':
      return nextOf(names, shown);
    case 'ArrowLeft':
      return names[(names.indexOf(shown) - 1 + count) % count] ?? null;
    case 'Home':
      return names[0] ?? null;
    case 'End':
      return names[count - 1] ?? null;
    default:
      return null;
  }
}

/** The one after `name`, in a circle. */
export function nextOf(names: readonly string[], name: string): string | null {
  return names[(names.indexOf(name) + 1) % names.length] ?? null;
}

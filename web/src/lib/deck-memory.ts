// What the browser remembers of a session's terminals. Whatever it gives back is parsed as if it
// were hostile: an older page, another program or a curious student may have written it.

import { parseLayout, type Layout } from './layout';
import { isTerminalName, MAX_TERMINALS, TITLE_CHARACTERS } from './tabs';

/** A terminal that was open. */
export interface KeptTab {
  name: string;
  title: string | null;
}

export interface KeptDeck {
  /** The start of the daemon these terminals belong to; another one has none of them. */
  boot: string | null;
  tabs: readonly KeptTab[];
  layout: Layout;
  /** The terminal that had the focus. */
  active: string;
}

const NOTHING: KeptDeck = { boot: null, tabs: [], layout: 'main', active: 'main' };

/** What is kept; what makes no sense in it is left out. */
export function parseDeck(text: string | null): KeptDeck {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    if (typeof value !== 'object' || value === null) return NOTHING;
    const { boot, tabs, layout, active } = value as Partial<Record<keyof KeptDeck, unknown>>;
    return {
      boot: typeof boot === 'string' ? boot : null,
      tabs: Array.isArray(tabs) ? parseTabs(tabs) : [],
      layout: parseLayout(layout) ?? 'main',
      active: isTerminalName(active) ? active : 'main',
    };
  } catch {
    return NOTHING; // no JSON
  }
}

export function encodeDeck(deck: KeptDeck): string {
  return JSON.stringify(deck);
}

function parseTabs(values: readonly unknown[]): KeptTab[] {
  const tabs = new Map<string, KeptTab>();
  for (const value of values.slice(0, MAX_TERMINALS)) {
    const { name, title } = (value ?? {}) as Partial<Record<keyof KeptTab, unknown>>;
    if (isTerminalName(name)) tabs.set(name, { name, title: parseTitle(title) });
  }
  return [...tabs.values()];
}

function parseTitle(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= 2 * TITLE_CHARACTERS
    ? value
    : null;
}

// The terminals' side of the page: which ones have a tab, which are shown and where, which one has
// the focus. Remembered for each session; components draw it and call its actions.

import { encodeDeck, parseDeck, type KeptTab } from './deck-memory';
import {
  exchanged,
  MAX_PANES,
  only,
  placed,
  shownIn,
  splitAt,
  WHOLE,
  without,
  withShare,
  type Box,
  type Layout,
} from './layout';
import { terminalsKey, type Memory } from './memory';
import type { Session } from './session.svelte';
import type { Direction } from './split';
import { MAX_TERMINALS, nextOf, tabsOf } from './tabs';

export interface DeckParts {
  session: Session;
  memory: Memory;
  /** Whether there is room for one terminal only, as on a phone. */
  isNarrow: () => boolean;
}

/** What can be done with a terminal. */
export type TerminalAction =
  | 'rename'
  | 'restart'
  | 'split-right'
  | 'split-down'
  | 'show-right'
  | 'show-below'
  | 'alone'
  | 'close';

/** The terminals of one session on this page. */
export class Deck {
  private layout = $state.raw<Layout>('main');
  private chosen = $state('main'); // had the focus last
  // Drawn from when it was first looked at: a terminal that nobody looks at costs nothing.
  private visited = $state.raw<readonly string[]>([]);
  private boot: string | null;
  private kept: readonly KeptTab[]; // the tabs when they were last known
  private returning = false; // those of another daemon are being opened again
  private saved = '';
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- read where it is written, only
  private readonly lastBoxes = new Map<string, Box>();

  private readonly session: Session;
  private readonly memory: Memory;
  private readonly key: string;
  private readonly isNarrow: () => boolean;

  constructor(parts: DeckParts) {
    this.session = parts.session;
    this.memory = parts.memory;
    this.isNarrow = parts.isNarrow;
    this.key = terminalsKey(parts.session.state?.session ?? '');
    const kept = parseDeck(parts.memory.read(this.key));
    this.boot = kept.boot;
    this.kept = kept.tabs;
    this.layout = kept.layout;
    this.chosen = kept.active;
    this.visited = shownIn(kept.layout);
  }

  readonly tabs = $derived.by(() =>
    tabsOf(this.session.knowsTerminals ? this.session.terminals : []),
  );
  readonly names = $derived(this.tabs.map((tab) => tab.name));
  /** The layout of what is open. */
  private readonly open = $derived.by(
    () => only(this.layout, (name) => this.names.includes(name)) ?? 'main',
  );
  private readonly panes = $derived(shownIn(this.open));
  /** The terminal that keys and commands go to. */
  readonly active = $derived(
    this.panes.includes(this.chosen) ? this.chosen : (this.panes[0] ?? 'main'),
  );
  private readonly placing = $derived.by(() => placed(this.isNarrow() ? this.active : this.open));
  /** The terminals that are seen. */
  readonly shown = $derived([...this.placing.panes.keys()]);
  readonly seams = $derived(this.placing.seams);
  readonly isSplit = $derived(this.shown.length > 1);
  /** The terminals that are drawn, seen or not; none before it is known where each one goes. */
  readonly drawn = $derived.by(() =>
    this.session.terminalsBoot === null
      ? []
      : this.names.filter((name) => this.shown.includes(name) || this.visited.includes(name)),
  );
  readonly canOpen = $derived(this.names.length < MAX_TERMINALS);
  readonly canDivide = $derived.by(() => !this.isNarrow() && this.panes.length < MAX_PANES);
  readonly canSplit = $derived(this.canDivide && this.canOpen);

  label(name: string): string {
    return this.tabs.find((tab) => tab.name === name)?.label ?? name;
  }

  /** Whether a shell runs in it. */
  isRunning(name: string): boolean {
    return this.tabs.some((tab) => tab.name === name && tab.running);
  }

  isShown(name: string): boolean {
    return this.shown.includes(name);
  }

  /** What the menu of a terminal offers, in its order. */
  actions(name: string): TerminalAction[] {
    const isShown = this.isShown(name);
    const places: TerminalAction[] = isShown
      ? ['split-right', 'split-down']
      : ['show-right', 'show-below'];
    return [
      'rename',
      'restart',
      ...(this.isNarrow() ? [] : places),
      ...(this.isSplit && isShown ? (['alone'] as const) : []),
      ...(name === 'main' ? [] : (['close'] as const)), // the page always has one
    ];
  }

  /** Whether there is room for what an action opens. */
  allows(action: TerminalAction): boolean {
    if (action === 'split-right' || action === 'split-down') return this.canSplit;
    if (action === 'show-right' || action === 'show-below') return this.canDivide;
    return true;
  }

  /** Where a terminal is; a hidden one keeps its size, so that switching back redraws nothing. */
  box(name: string): Box {
    const box = this.placing.panes.get(name) ?? this.lastBoxes.get(name) ?? WHOLE;
    this.lastBoxes.set(name, box);
    return box;
  }

  /** Shows a terminal: where it is, or in place of the one that has the focus. */
  show(name: string): void {
    this.arrange(
      this.panes.includes(name) ? this.open : exchanged(this.open, this.active, name),
      name,
    );
  }

  /** The focus came to a terminal that is shown. */
  focused(name: string): void {
    if (name === this.active) return;
    this.chosen = name;
    this.save();
  }

  /** The terminal after the one that has the focus: of those that are seen, when there are several. */
  next(): string | null {
    return nextOf(this.isSplit ? this.shown : this.names, this.active);
  }

  /** Opens a terminal and shows it; answers its name, or null when that failed. */
  async add(name?: string): Promise<string | null> {
    const opened = name === 'main' ? name : await this.session.openTerminal(name);
    if (opened !== null) this.show(opened);
    return opened;
  }

  /** Opens a terminal beside or below another one; answers its name, or null when that failed. */
  async split(at: string, direction: Direction): Promise<string | null> {
    if (!this.canSplit) return null;
    const opened = await this.session.openTerminal();
    if (opened !== null) this.place(opened, at, direction);
    return opened;
  }

  /** Shows an open terminal beside or below another one. */
  place(name: string, at: string, direction: Direction): void {
    const beside = this.panes.includes(at) ? at : this.active;
    this.arrange(splitAt(this.open, beside, direction, name), name);
  }

  /** Shows one terminal alone; the others stay open behind their tabs. */
  alone(name: string): void {
    this.arrange(name, name);
  }

  /** Another share of the room at a seam. */
  share(path: string, share: number): void {
    this.arrange(withShare(this.open, path, share), this.active);
  }

  async rename(name: string, title: string): Promise<void> {
    const tab = this.tabs.find((each) => each.name === name);
    if (tab && (tab.title ?? '') !== title) await this.session.renameTerminal(name, title);
  }

  async restart(name: string): Promise<void> {
    const label = this.label(name);
    if (await this.session.restartTerminal(name))
      this.session.announcement = `“${label}” was restarted.`;
  }

  /** Closes a terminal; its neighbours get its room. */
  async close(name: string): Promise<void> {
    const layout = without(this.open, name) ?? 'main';
    const active = this.active === name ? (shownIn(layout)[0] ?? 'main') : this.active;
    if (!(await this.session.closeTerminal(name))) return;
    this.visited = this.visited.filter((each) => each !== name);
    this.lastBoxes.delete(name);
    this.arrange(layout, active);
  }

  /**
   * The daemon's list came or changed. What was closed elsewhere leaves; what went with another
   * daemon, because the machine was moved or started anew, is opened again, with new shells.
   */
  follow(): void {
    if (!this.session.knowsTerminals) return;
    const { terminalsBoot } = this.session;
    const lost = terminalsBoot === this.boot ? [] : this.kept.filter((tab) => this.lacks(tab));
    this.boot = terminalsBoot;
    if (lost.length > 0) void this.bringBack(lost);
    if (this.returning) return;
    this.kept = this.tabs.map(({ name, title }) => ({ name, title }));
    this.arrange(this.open, this.active);
  }

  private lacks({ name, title }: KeptTab): boolean {
    const tab = this.tabs.find((each) => each.name === name);
    return !tab || (title !== null && tab.title === null);
  }

  private async bringBack(tabs: readonly KeptTab[]): Promise<void> {
    this.returning = true;
    for (const { name, title } of tabs) {
      const opened = name === 'main' ? name : await this.session.openTerminal(name);
      if (opened !== null && title !== null) await this.session.renameTerminal(name, title);
    }
    this.returning = false;
    this.follow();
  }

  private arrange(layout: Layout, active: string): void {
    this.layout = layout;
    this.chosen = active;
    const fresh = shownIn(layout).filter((name) => !this.visited.includes(name));
    if (fresh.length > 0) this.visited = [...this.visited, ...fresh];
    this.save();
  }

  private save(): void {
    const { boot, kept, layout, chosen } = this;
    const text = encodeDeck({ boot, tabs: kept, layout, active: chosen });
    if (text === this.saved || this.returning) return;
    this.saved = text;
    this.memory.write(this.key, text);
  }
}

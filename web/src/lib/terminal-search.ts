// Finding text in a terminal, with a library that is fetched at the first search.

import type { SearchAddon } from '@xterm/addon-search';
import type { Terminal } from '@xterm/xterm';
import { findColours } from './terminal-themes';
import type { Theme } from './theme';

export interface TerminalSearchParts {
  terminal: Terminal;
  theme: Theme;
  found(index: number, count: number): void;
  /** A sentence why there is no search. */
  failed(sentence: string): void;
}

/** The search of one terminal. */
export class TerminalSearch {
  theme: Theme;
  private addon: SearchAddon | null = null;
  private stopped = false;

  constructor(private readonly parts: TerminalSearchParts) {
    this.theme = parts.theme;
  }

  /** Finds text, upwards from the newest line; `again` goes on from the last place. */
  async find(
    text: string,
    direction: 'back' | 'forth',
    matchCase: boolean,
    again: boolean,
  ): Promise<void> {
    const addon = await this.load().catch(() => null);
    if (this.stopped) return;
    if (addon === null)
      return this.parts.failed('The search could not be loaded. Is the workshop still running?');
    if (text === '') return this.clear();
    const options = {
      caseSensitive: matchCase,
      incremental: !again,
      decorations: findColours(this.theme),
    };
    if (direction === 'forth') addon.findNext(text, options);
    else addon.findPrevious(text, options);
  }

  clear(): void {
    this.addon?.clearDecorations();
    this.parts.terminal.clearSelection();
    this.parts.found(-1, 0);
  }

  stop(): void {
    this.stopped = true;
  }

  private async load(): Promise<SearchAddon> {
    if (this.addon) return this.addon;
    const { SearchAddon } = await import('@xterm/addon-search');
    if (this.addon) return this.addon;
    const addon = new SearchAddon();
    addon.onDidChangeResults(({ resultIndex, resultCount }) =>
      this.parts.found(resultIndex, resultCount),
    );
    if (!this.stopped) this.parts.terminal.loadAddon(addon);
    this.addon = addon;
    return addon;
  }
}

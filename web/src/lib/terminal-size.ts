// A terminal's size on this page: what fits, what the terminal has, and how that is shown when
// another page, whose student typed last, gave it a size that does not fit here.

import { FitAddon } from '@xterm/addon-fit';
import type { Terminal } from '@xterm/xterm';

export const FONT_SIZE = 14; // px
const LEAST_FONT_SIZE = 6;
const RESIZE_MILLISECONDS = 80; // a drag of the divider is one resize, not a hundred
const FOREIGN_MILLISECONDS = 400; // the answer to an own resize comes sooner

/** Cells of a terminal. */
export interface CellSize {
  cols: number;
  rows: number;
}

export interface TerminalSizeParts {
  terminal: Terminal;
  container: HTMLElement;
  /** Asks for this size. */
  ask(size: CellSize): void;
  /** Whether the terminal's own size will be the answer. */
  isConnected(): boolean;
  /** The size that another page gave the terminal, or null when it is this page's own. */
  foreign(size: CellSize | null): void;
}

/** Keeps a terminal as large as its container, or as large as the terminal's owner has it. */
export class TerminalSize {
  private readonly fitter = new FitAddon();
  private readonly observer = new ResizeObserver(() => this.scheduleFit());
  private wanted: CellSize | null = null; // what fits this page
  private fitTimer: ReturnType<typeof setTimeout> | undefined;
  private letterBoxTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly parts: TerminalSizeParts) {
    parts.terminal.loadAddon(this.fitter);
  }

  /** Once the terminal is in its container. */
  start(): void {
    this.observer.observe(this.parts.container);
    this.fit();
  }

  stop(): void {
    this.observer.disconnect();
    clearTimeout(this.fitTimer);
    clearTimeout(this.letterBoxTimer);
  }

  /** The terminal has this size now, whoever asked for it. */
  is(cols: number, rows: number): void {
    this.parts.terminal.resize(cols, rows);
    this.settle();
  }

  private scheduleFit(): void {
    clearTimeout(this.fitTimer);
    this.fitTimer = setTimeout(() => this.fit(), RESIZE_MILLISECONDS);
  }

  /** Works out what fits and asks for it. */
  private fit(): void {
    const { container, terminal } = this.parts;
    if (container.clientWidth === 0 || container.clientHeight === 0) return; // hidden
    terminal.options.fontSize = FONT_SIZE;
    const size = this.fitter.proposeDimensions();
    if (!size || !Number.isFinite(size.cols) || !Number.isFinite(size.rows)) return;
    this.wanted = size;
    this.parts.ask(size);
    // Connected, the terminal changes when the shell does, between the bytes before and after it.
    if (!this.parts.isConnected()) terminal.resize(size.cols, size.rows);
    this.settle();
  }

  /** The size is this page's, or, when it stays another page's for a moment, is shown as such. */
  private settle(): void {
    clearTimeout(this.letterBoxTimer);
    const { cols, rows } = this.parts.terminal;
    if (this.wanted === null || (this.wanted.cols === cols && this.wanted.rows === rows)) {
      this.parts.terminal.options.fontSize = FONT_SIZE;
      this.parts.foreign(null);
    } else {
      this.letterBoxTimer = setTimeout(() => this.letterBox(), FOREIGN_MILLISECONDS);
    }
  }

  /** Shows a size that is not this page's: in smaller letters when it is too large. */
  private letterBox(): void {
    const { cols, rows } = this.parts.terminal;
    if (this.wanted === null) return;
    this.parts.terminal.options.fontSize = letterBoxFont(this.wanted, { cols, rows });
    this.parts.foreign({ cols, rows });
  }
}

/** The size of letters, in px, in which `has` cells take the room of `fits` ordinary ones. */
export function letterBoxFont(fits: CellSize, has: CellSize): number {
  const scale = Math.min(1, fits.cols / has.cols, fits.rows / has.rows);
  return Math.max(LEAST_FONT_SIZE, Math.floor(FONT_SIZE * scale));
}

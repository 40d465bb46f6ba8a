// One terminal on the page: xterm.js, its socket and what the student may do with both.

import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';
import { loadGpu, loadWidths } from './terminal-addons';
import { copiedText, copyText } from './terminal-clipboard';
import { keyAction, type PaneAction } from './terminal-keys';
import { openableAddress } from './terminal-links';
import {
  commandInput,
  lineCount,
  PASTE_CHARACTERS,
  pasteInput,
  runsByItself,
  typeable,
} from './terminal-paste';
import { isReply } from './terminal-replies';
import { TerminalSearch } from './terminal-search';
import { FONT_SIZE, TerminalSize, type CellSize } from './terminal-size';
import { SUBPROTOCOL, TerminalSocket, terminalUrl } from './terminal-socket';
import { statusAction, type TerminalStatus } from './terminal-status';
import { TerminalText } from './terminal-text';
import { LIFTED_CONTRAST, palette } from './terminal-themes';
import type { Theme } from './theme';

const FONT =
  'ui-monospace, "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';
const SCROLLBACK_LINES = 5_000;
const PROMPT_MILLISECONDS = 1_500; // a shell without bracketed paste does not say that it waits
const DRAW_BYTES = 16 * 1024;
const FULL_RESET = '\x1bc';
const SELECTION_MILLISECONDS = 120;
const ADDON_MILLISECONDS = 1_500; // how long the first byte waits for the width tables

/** What is asked before the terminal does something the student may not want. */
export type TerminalQuestion =
  | { kind: 'paste'; text: string; lines: number; confirm: () => void }
  | { kind: 'link'; address: string; confirm: () => void };

/** What the view tells the component around it. */
export interface TerminalViewEvents {
  status(status: TerminalStatus): void;
  /** A sentence that is shown for a moment. */
  notice(sentence: string): void;
  question(question: TerminalQuestion): void;
  find(): void;
  leave(): void;
  /** The student wants another pane, or to be in another one. */
  pane(action: PaneAction): void;
  /** The address under the pointer, or null. */
  hover(address: string | null): void;
  /** The size that another page gave the terminal, or null when it is this page's own. */
  foreignSize(size: CellSize | null): void;
  found(index: number, count: number): void;
}

export interface TerminalViewOptions {
  name: string;
  theme: Theme;
  screenReader: boolean;
  copyOnSelect: boolean;
}

/** A terminal in `container`, which it fills. */
export class TerminalView {
  copyOnSelect: boolean;
  private readonly terminal: Terminal;
  private readonly socket: TerminalSocket;
  private readonly size: TerminalSize;
  private readonly search: TerminalSearch;
  private readonly text = new TerminalText();
  private readonly cleanUp = new AbortController();
  private status: TerminalStatus = { kind: 'connecting' };
  private waiting: string | null = null; // a command for the first prompt
  private replaying = 0; // redraws on their way to the screen
  private promptTimer: ReturnType<typeof setTimeout> | undefined;
  private selectionTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly container: HTMLElement,
    options: TerminalViewOptions,
    private readonly events: TerminalViewEvents,
  ) {
    this.copyOnSelect = options.copyOnSelect;
    this.terminal = new Terminal({
      allowProposedApi: true, // widths of graphemes, and the decorations of the search
      cursorBlink: false,
      fontFamily: FONT,
      fontSize: FONT_SIZE,
      lineHeight: 1.15,
      minimumContrastRatio: LIFTED_CONTRAST,
      scrollback: SCROLLBACK_LINES,
      screenReaderMode: options.screenReader,
      theme: palette(options.theme),
      linkHandler: {
        activate: (event, address) => this.openLink(event, address, false),
        hover: (_event, address) => events.hover(address),
        leave: () => events.hover(null),
      },
    });
    this.socket = new TerminalSocket({
      open: (offset) =>
        new WebSocket(terminalUrl(new URL(location.href), options.name, offset), SUBPROTOCOL),
      screen: {
        output: (bytes, redraw, drawn) => this.draw(bytes, redraw, drawn),
        // In its place between the bytes, which wait to be drawn.
        resized: (cols, rows) => this.terminal.write('', () => this.size.is(cols, rows)),
        status: (status) => this.changed(status),
        dropped: () =>
          events.notice(
            'What you typed while the connection was away was not sent. Type it again.',
          ),
      },
    });
    this.size = new TerminalSize({
      terminal: this.terminal,
      container,
      ask: ({ cols, rows }) => this.socket.resize(cols, rows),
      isConnected: () => this.status.kind === 'connected',
      foreign: (size) => events.foreignSize(size),
    });
    this.search = new TerminalSearch({
      terminal: this.terminal,
      theme: options.theme,
      found: (index, count) => events.found(index, count),
      failed: (sentence) => events.notice(sentence),
    });
    this.open();
  }

  dispose(): void {
    this.cleanUp.abort();
    clearTimeout(this.promptTimer);
    clearTimeout(this.selectionTimer);
    this.size.stop();
    this.search.stop();
    this.socket.stop();
    this.terminal.dispose();
  }

  focus(): void {
    this.terminal.focus();
  }

  /**
   * Types a command and Enter; answers whether that was done or will be, once the terminal that was
   * just opened shows its prompt. The reason why not is a notice.
   */
  run(command: string): boolean {
    if (this.status.kind === 'connecting' && this.waiting === null) {
      this.waiting = command;
      return true;
    }
    if (this.status.kind !== 'connected') {
      this.events.notice('The command was not typed: the terminal is not connected.');
      return false;
    }
    if (this.terminal.buffer.active.type === 'alternate') {
      this.events.notice(
        'The command was not typed: a full-screen program is open in the terminal. ' +
          'Leave it first (often with q, or with Esc and then :q!).',
      );
      return false;
    }
    const input = commandInput(command, this.terminal.modes.bracketedPasteMode);
    if (input === null) return false;
    this.terminal.scrollToBottom();
    this.type(input);
    this.focus();
    return true;
  }

  /** Pastes text, after a question when a shell would run it before anybody could look at it. */
  paste(text: string): void {
    const clean = typeable(text);
    if (clean === '') return;
    if (clean.length > PASTE_CHARACTERS)
      return this.events.notice(
        'That is too much to paste. Put it into a file of the workshop instead.',
      );
    if (!runsByItself(clean, this.terminal.modes.bracketedPasteMode)) return this.typePaste(clean);
    this.events.question({
      kind: 'paste',
      text: clean,
      lines: lineCount(clean),
      confirm: () => this.typePaste(clean),
    });
  }

  /** Copies what is selected. */
  async copySelection(): Promise<void> {
    const text = this.terminal.getSelection();
    if (text === '') this.events.notice('Nothing is selected in the terminal.');
    else await this.copy(text, 'Copied.');
  }

  /** Does what Enter does while the terminal is not connected. */
  act(): void {
    const action = statusAction(this.status);
    if (action === 'restart') this.socket.restart();
    if (action === 'retry') this.socket.retry();
  }

  /** Whether the cursor is in the lower half: a message belongs into the other one. */
  get cursorIsLow(): boolean {
    return this.terminal.buffer.active.cursorY * 2 >= this.terminal.rows;
  }

  wake(): void {
    this.socket.wake();
  }

  networkChanged(): void {
    this.socket.networkChanged();
  }

  setTheme(theme: Theme): void {
    this.search.theme = theme;
    this.terminal.options.theme = palette(theme);
  }

  setScreenReader(on: boolean): void {
    this.terminal.options.screenReaderMode = on;
  }

  /** Finds text; see `TerminalSearch`. */
  find(text: string, direction: 'back' | 'forth', matchCase: boolean, again: boolean): void {
    void this.search.find(text, direction, matchCase, again);
  }

  clearFind(): void {
    this.search.clear();
  }

  private open(): void {
    const { terminal, container, events } = this;
    const { signal } = this.cleanUp;
    terminal.loadAddon(
      new WebLinksAddon((event, address) => this.openLink(event, address, true), {
        hover: (_event, address) => events.hover(address),
        leave: () => events.hover(null),
      }),
    );
    terminal.open(container);
    terminal.attachCustomKeyEventHandler((event) => this.keyIsTheShells(event));
    terminal.onData((input) => this.typed(input));
    terminal.onBinary((input) => this.type(Uint8Array.from(input, (each) => each.charCodeAt(0))));
    terminal.onSelectionChange(() => this.selectionChanged());
    terminal.parser.registerOscHandler(52, (parameters) => this.programCopies(parameters));
    // Before xterm's own: its paste asks nothing and lets control characters through.
    container.addEventListener('paste', (event) => this.pasted(event), { capture: true, signal });
    this.size.start();
    void this.begin();
  }

  /** The width tables come before the first byte, so that nothing is measured twice. */
  private async begin(): Promise<void> {
    const { signal } = this.cleanUp;
    await Promise.race([
      loadWidths(this.terminal, signal),
      new Promise((done) => setTimeout(done, ADDON_MILLISECONDS)),
    ]);
    if (signal.aborted) return;
    this.socket.start();
    await loadGpu(this.terminal, signal);
  }

  private draw(bytes: Uint8Array, redraw: boolean, drawn: () => void): void {
    if (redraw) {
      this.replaying += 1;
      this.text.restart();
      this.terminal.write(FULL_RESET);
    }
    // In pieces, between which a key press is heard: a redraw can be long.
    const last = Math.max(0, Math.ceil(bytes.length / DRAW_BYTES) - 1) * DRAW_BYTES;
    for (let at = 0; at < last; at += DRAW_BYTES)
      this.terminal.write(this.text.take(bytes.subarray(at, at + DRAW_BYTES)));
    this.terminal.write(this.text.take(bytes.subarray(last)), () => {
      if (redraw) this.replaying -= 1;
      drawn();
      if (this.terminal.modes.bracketedPasteMode) this.runWaiting();
    });
  }

  private changed(status: TerminalStatus): void {
    this.status = status;
    this.events.status(status);
    if (this.waiting === null || status.kind === 'connecting') return;
    clearTimeout(this.promptTimer);
    this.promptTimer = setTimeout(() => this.runWaiting(), PROMPT_MILLISECONDS);
  }

  private runWaiting(): void {
    const { waiting } = this;
    this.waiting = null;
    if (waiting !== null) this.run(waiting);
  }

  /** Input of the student, or an answer of the terminal itself. */
  private typed(input: string): void {
    if (isReply(input)) {
      if (this.replaying === 0 && this.status.kind === 'connected') this.socket.input(input);
      return;
    }
    if (statusAction(this.status) !== null) {
      if (input === '\r') this.act();
      return;
    }
    this.type(input);
  }

  private type(input: string | Uint8Array): void {
    if (this.socket.input(input) === 'refused')
      this.events.notice('Not sent: the terminal is not connected.');
  }

  private typePaste(text: string): void {
    this.type(pasteInput(text, this.terminal.modes.bracketedPasteMode));
    this.focus();
  }

  private keyIsTheShells(event: KeyboardEvent): boolean {
    const action = keyAction(event);
    if (action === 'shell') return true;
    if (action === 'paste') return false; // the browser's paste event follows
    event.preventDefault();
    if (event.type !== 'keydown') return false;
    if (action === 'copy') void this.copySelection();
    else if (action === 'find') this.events.find();
    else if (action === 'leave') this.events.leave();
    else this.events.pane(action);
    return false;
  }

  private pasted(event: ClipboardEvent): void {
    event.preventDefault();
    event.stopPropagation();
    this.paste(event.clipboardData?.getData('text/plain') ?? '');
  }

  private selectionChanged(): void {
    clearTimeout(this.selectionTimer);
    this.selectionTimer = setTimeout(() => {
      const text = this.terminal.getSelection();
      // The search selects too, with the focus elsewhere: only a selection by hand is copied.
      if (this.copyOnSelect && text !== '' && this.hasFocus()) void this.copy(text, 'Copied.');
    }, SELECTION_MILLISECONDS);
  }

  private hasFocus(): boolean {
    return this.container.contains(document.activeElement);
  }

  private programCopies(parameters: string): boolean {
    const text = copiedText(parameters);
    if (text !== null && this.replaying === 0)
      void this.copy(text, `A program copied ${text.length} characters to your clipboard.`);
    return true; // never answered: a program in the terminal does not read the clipboard
  }

  private async copy(text: string, success: string): Promise<void> {
    const copied = await copyText(text);
    this.events.notice(copied ? success : 'The browser did not allow copying.');
  }

  private openLink(event: MouseEvent, text: string, isWhatIsRead: boolean): void {
    const address = openableAddress(text);
    if (address === null)
      return this.events.notice('That link is not opened: it is no plain web address.');
    const open = () => void window.open(address, '_blank', 'noopener,noreferrer');
    if (isWhatIsRead && (event.ctrlKey || event.metaKey)) open();
    else this.events.question({ kind: 'link', address, confirm: open });
  }
}

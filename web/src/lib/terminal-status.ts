// Where a terminal's connection stands, and how the page says it.

/** What a page knows about one of its terminals. */
export type TerminalStatus =
  | { kind: 'connecting' }
  | { kind: 'connected' }
  | { kind: 'reconnecting'; keptBytes: number } // input that waits for the connection
  | { kind: 'ended'; code: number } // the shell's exit code
  | { kind: 'refused' } // not signed in
  | { kind: 'missing' } // no terminal of that name
  | { kind: 'crowded' }; // too many pages are attached

/** What Enter or the button does in this state; null when there is nothing to do but wait. */
export function statusAction(status: TerminalStatus): 'restart' | 'retry' | null {
  switch (status.kind) {
    case 'ended':
      return 'restart';
    case 'refused':
    case 'missing':
    case 'crowded':
      return 'retry';
    case 'connecting':
    case 'connected':
    case 'reconnecting':
      return null;
    default:
      return status satisfies never;
  }
}

/** The state in a sentence or two, or null while there is nothing to say. */
export function statusSentence(status: TerminalStatus, name: string): string | null {
  switch (status.kind) {
    case 'connected':
      return null;
    case 'connecting':
      return 'Connecting to the terminal…';
    case 'reconnecting':
      return status.keptBytes === 0
        ? 'Reconnecting…'
        : 'Reconnecting… What you type is kept for a moment and sent when the terminal is back.';
    case 'ended':
      return `The shell ended with code ${status.code}. Press Enter for a new one.`;
    case 'refused':
      return 'Not allowed: this page is not signed in. Open the full link that was printed when the workshop started, then press Enter here.';
    case 'missing':
      return `There is no terminal named “${name}” any more. Press Enter to look again.`;
    case 'crowded':
      return 'Too many pages show this terminal. Close one of them, then press Enter here.';
    default:
      return status satisfies never;
  }
}

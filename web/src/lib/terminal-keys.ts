// The keys the page takes from the terminal. Everything else belongs to the shell.

/** The parts of a keyboard event that decide. */
export type Key = Pick<
  KeyboardEvent,
  'key' | 'code' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey' | 'type'
>;

/** What concerns the panes around this one. */
export type PaneAction = 'split-right' | 'split-down' | 'next';

export type KeyAction =
  | 'copy'
  | 'paste' // the browser's own paste event follows
  | 'find'
  | 'leave'
  | PaneAction
  | 'shell';

// Ctrl+Shift+letter reaches a shell as Ctrl+letter, so nothing is lost by taking these. `Escape`
// with Ctrl+Shift would be the task manager on Windows, F6 a key of htop and mc; L is for "leave",
// D for "divide", S for "stack" and O for "other", as in tmux. Browsers keep W, N, T, P and Q.
const TAKEN: Readonly<Record<string, KeyAction>> = {
  c: 'copy',
  v: 'paste',
  f: 'find',
  l: 'leave',
  d: 'split-right',
  s: 'split-down',
  o: 'next',
};

/** What a key press in the terminal means. */
export function keyAction(event: Key): KeyAction {
  if (event.altKey) return 'shell';
  const { key } = event;
  if (key === 'Insert' && event.ctrlKey !== event.shiftKey) return event.ctrlKey ? 'copy' : 'paste';
  if (event.metaKey && !event.ctrlKey && !event.shiftKey && (key === 'c' || key === 'v'))
    return key === 'c' ? 'copy' : 'paste';
  if (!event.ctrlKey || !event.shiftKey || event.metaKey) return 'shell';
  // A layout without Latin letters still has the physical key.
  const letter = /^[a-z]$/i.test(key)
    ? key.toLowerCase()
    : event.code.replace(/^Key/, '').toLowerCase();
  return TAKEN[letter] ?? 'shell';
}

/** The keys as the page explains them: what, and why it is not what one might expect. */
export const KEY_HELP: readonly { keys: string; does: string }[] = [
  { keys: 'Ctrl+Shift+L', does: 'leave the terminal, to the buttons below it' },
  { keys: 'Ctrl+Shift+C', does: 'copy what is selected (Ctrl+C interrupts the program)' },
  { keys: 'Ctrl+Shift+V', does: 'paste (Ctrl+V goes to the shell); or use the right mouse button' },
  { keys: 'Ctrl+Shift+F', does: 'find in the terminal' },
  { keys: 'Ctrl+Shift+D', does: 'divide: another terminal to the right of this one' },
  { keys: 'Ctrl+Shift+S', does: 'stack: another terminal below this one' },
  { keys: 'Ctrl+Shift+O', does: 'go to the other terminal, or to the next of several' },
  { keys: 'F2', does: 'on a tab: give the terminal a name of your own' },
  { keys: 'Shift+PgUp, Shift+PgDn', does: 'scroll back and forth' },
  { keys: 'Shift+drag', does: 'select while a program uses the mouse' },
  { keys: 'Tab, Esc', does: 'belong to the shell, like every key not listed here' },
  {
    keys: 'Ctrl+W, Ctrl+T, Ctrl+N',
    does: 'belong to the browser; to delete a word use Alt+Backspace or Esc, then Backspace',
  },
];

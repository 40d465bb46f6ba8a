// What may be typed into a shell on the student's behalf: pasted text and commands of the page.

const BRACKET_START = '\x1b[200~';
const BRACKET_END = '\x1b[201~';
const CLEAR_LINE = '\x15'; // Ctrl-U: what was typed before must not become part of a command
export const PASTE_CHARACTERS = 1 << 20; // 1 Mi

/**
 * Text as a person could have typed it: newlines as `\n`, tabs, and no other control character.
 * Escape sequences in a clipboard could otherwise end a bracketed paste and run what follows.
 */
export function typeable(text: string): string {
  return (
    text
      .replace(/\r\n?/g, '\n')
      // eslint-disable-next-line no-control-regex -- control characters are the point
      .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '')
  );
}

/** How many lines a paste has; a newline at the end ends the last one. */
export function lineCount(text: string): number {
  return text.replace(/\n$/, '').split('\n').length;
}

/** Whether a shell would run a part of this text before the student could look at it. */
export function runsByItself(text: string, bracketed: boolean): boolean {
  return !bracketed && text.includes('\n');
}

/** The input for a paste. Line ends are what Enter sends; the program turns them back. */
export function pasteInput(text: string, bracketed: boolean): string {
  const typed = text.replaceAll('\n', '\r');
  return bracketed ? BRACKET_START + typed + BRACKET_END : typed;
}

/**
 * The input that runs a command, of one line or many, at a prompt.
 *
 * A shell with bracketed paste takes the lines as one entry, so that a program the first line
 * starts can not swallow the second. Any other gets them one by one, as if typed.
 */
export function commandInput(command: string, bracketed: boolean): string | null {
  const text = typeable(command).replace(/^\n+|\s+$/g, '');
  if (text === '') return null;
  if (!bracketed) return pasteInput(text, false) + '\r';
  return CLEAR_LINE + pasteInput(text, true) + '\r';
}

// Output as text. xterm.js reads bytes too, but it loses a character whose bytes come in two
// pieces, and drops bytes that are no text, where the server's screen shows a replacement.

const OPTIONS = { ignoreBOM: true }; // a mark at the beginning of a stream is a character of it

/** Turns the bytes of one stream into text, in pieces that may end anywhere. */
export class TerminalText {
  private decoder = new TextDecoder('utf-8', OPTIONS);

  /** The text that is whole with these bytes; the rest of it waits for the next ones. */
  take(bytes: Uint8Array): string {
    return this.decoder.decode(bytes, { stream: true });
  }

  /** Another stream begins: what waits belongs to the old one. */
  restart(): void {
    this.decoder = new TextDecoder('utf-8', OPTIONS);
  }
}

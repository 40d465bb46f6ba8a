// Counts the bytes of a terminal: what came, what was drawn, what the server was told.

const ACK_EVERY_BYTES = 32 * 1024; // the server keeps at most 64 KiB unacknowledged for a page

/** The absolute offsets of one page in one terminal's output. */
export class TerminalOffsets {
  private next = 0;
  private drawn = 0; // everything before it is on the screen
  private acknowledged = 0;
  private owed = false; // a jump is acknowledged however small it was
  private inFlight = 0; // pieces handed to the screen and not drawn yet
  private generation = 0; // pieces from before a jump say nothing about offsets after it

  /** Offset of the next byte: what a reconnect asks for. */
  get received(): number {
    return this.next;
  }

  /**
   * Counts a piece of output. The answer is called once when it has been drawn and tells the
   * offset to acknowledge now, or null. A redraw has no place in the output: its length is 0.
   */
  piece(length: number): () => number | null {
    const { generation } = this;
    this.next += length;
    this.inFlight += 1;
    const end = this.next;
    return () => {
      this.inFlight -= 1;
      if (generation === this.generation) this.drawn = Math.max(this.drawn, end);
      return this.due();
    };
  }

  /**
   * The server says where the output is. Where it was expected: nothing changes. Elsewhere: that is
   * acknowledged when all before it has been drawn. Answers the offset to acknowledge now, or null.
   */
  moveTo(offset: number): number | null {
    if (offset === this.next) return null;
    this.generation += 1;
    this.next = offset;
    this.drawn = Math.min(this.drawn, offset);
    this.acknowledged = Math.min(this.acknowledged, offset);
    this.owed = true;
    return this.due();
  }

  /** A new connection begins at `offset`, with everything before it acknowledged. */
  start(offset: number): void {
    this.generation += 1;
    this.next = offset;
    this.drawn = offset;
    this.acknowledged = offset;
    this.owed = false;
  }

  private due(): number | null {
    if (this.inFlight === 0) this.drawn = this.next;
    const owes = this.owed && this.inFlight === 0;
    if (!owes && this.drawn - this.acknowledged < ACK_EVERY_BYTES) return null;
    this.owed &&= !owes;
    this.acknowledged = this.drawn;
    return this.drawn;
  }
}

// What the student types while the connection is away.

export const KEPT_BYTES = 4 * 1024;
export const KEPT_MILLISECONDS = 30_000;

/**
 * Input typed while disconnected: at most 4 KiB, at most 30 seconds old. Older input would run
 * long after its writer forgot it, so it is dropped rather than sent.
 */
export class KeptInput {
  private pieces: Uint8Array[] = [];
  private first = 0; // when the oldest piece came
  size = 0;

  constructor(private readonly now: () => number) {}

  /** Whether what is kept is too old to be sent. */
  get isStale(): boolean {
    return this.size > 0 && this.now() - this.first > KEPT_MILLISECONDS;
  }

  /** Keeps a piece whole or not at all; answers whether it was kept. */
  add(piece: Uint8Array): boolean {
    if (this.isStale) this.drop();
    if (this.size + piece.length > KEPT_BYTES) return false;
    if (this.size === 0) this.first = this.now();
    this.pieces.push(piece);
    this.size += piece.length;
    return true;
  }

  /** Takes everything out as one piece; null when there is nothing, or nothing fresh. */
  take(): Uint8Array | null {
    const { size, pieces, isStale } = this;
    this.drop();
    if (size === 0 || isStale) return null;
    const whole = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  drop(): void {
    this.pieces = [];
    this.size = 0;
  }
}

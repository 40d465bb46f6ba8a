// What the page remembers in the browser. Storage may be refused or full: then it forgets.

/** The part of `Storage` that is used. */
export type Store = Pick<Storage, 'getItem' | 'setItem'>;

/** Small values under `workshop.*`, in the browser's local storage. */
export class Memory {
  constructor(private readonly store: Store | null = browserStore()) {}

  read(key: string): string | null {
    try {
      return this.store?.getItem(`workshop.${key}`) ?? null;
    } catch {
      return null;
    }
  }

  write(key: string, value: string): void {
    try {
      this.store?.setItem(`workshop.${key}`, value);
    } catch {
      // Full or refused: remembering is a convenience.
    }
  }

  /** Numbers kept as a list, such as the ticked boxes of one step's text. */
  readNumbers(key: string): number[] {
    try {
      const value: unknown = JSON.parse(this.read(key) ?? '[]');
      return Array.isArray(value) ? value.filter((each) => Number.isSafeInteger(each)) : [];
    } catch {
      return [];
    }
  }

  writeNumbers(key: string, numbers: readonly number[]): void {
    this.write(key, JSON.stringify(numbers));
  }
}

/** Where the ticked boxes of a step's text are kept; another session starts with none. */
export function ticksKey(session: string, stepId: string): string {
  return `ticks.${session}.${stepId}`;
}

/** Where the terminals of a session and their places are kept. */
export function terminalsKey(session: string): string {
  return `terminals.${session}`;
}

function browserStore(): Store | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

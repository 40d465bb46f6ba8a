// The list of recordings as the page shows it.

import { Api, ApiError } from './api';
import type { RecordingInfo } from './protocol';

/** Every recording of the session, the newest first; null until the daemon has answered. */
export class Recordings {
  all = $state.raw<RecordingInfo[] | null>(null);
  /** The last thing that did not work, as a sentence. */
  failure = $state<string | null>(null);

  constructor(private readonly api: Api) {}

  find(name: string): RecordingInfo | null {
    return this.all?.find((recording) => recording.name === name) ?? null;
  }

  async load(): Promise<void> {
    await this.attempt(async () => {
      this.all = (await this.api.recordings()).reverse();
    });
  }

  /** Deletes one; the student has been asked already. */
  async delete(name: string): Promise<void> {
    await this.attempt(() => this.api.deleteRecording(name));
    const { failure } = this;
    await this.load(); // it may be gone although the answer was lost
    this.failure ??= failure;
  }

  private async attempt(action: () => Promise<void>): Promise<void> {
    this.failure = null;
    try {
      await action();
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason;
      this.failure = reason.message;
    }
  }
}

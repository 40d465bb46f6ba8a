// The instructor's part of the daemon's API; failures are ApiErrors with a sentence.

import { helpRows, type HelpRow } from './activity';
import { Api } from './api';
import type {
  AskAnswer,
  InstructorStatus,
  LoggedHelp,
  Permission,
  RecordingInfo,
} from './protocol';

export const INSTRUCTOR = '/api/instructor';

/** The instructor's calls. */
export class InstructorApi {
  private typing: Promise<unknown> = Promise.resolve();

  constructor(private readonly api: Api = new Api()) {}

  status(): Promise<InstructorStatus> {
    return this.api.json('GET', `${INSTRUCTOR}/status`);
  }

  recordings(): Promise<RecordingInfo[]> {
    return this.api.json('GET', `${INSTRUCTOR}/recordings`);
  }

  /** Help that was given, as it was logged, newest last. */
  async helpHistory(): Promise<HelpRow[]> {
    const url = `${INSTRUCTOR}/llm/history?limit=200`;
    return helpRows((await this.api.json<LoggedHelp>('GET', url)).interactions);
  }

  /** Takes the student's hand down; the student sees the note. */
  lowerHand(note: string): Promise<InstructorStatus> {
    return this.api.json('POST', `${INSTRUCTOR}/hand/lower`, note === '' ? {} : { note });
  }

  /** Asks the student, where somebody has to be asked. */
  ask(kind: Permission['kind'], terminal: string): Promise<AskAnswer> {
    return this.api.json('POST', `${INSTRUCTOR}/watching`, { kind, terminal });
  }

  /** Withdraws a question, or ends what it allowed. */
  async end(id: string): Promise<void> {
    await this.api.send('DELETE', `${INSTRUCTOR}/watching/${encodeURIComponent(id)}`);
  }

  /** Types for the student; what is typed later arrives later. */
  type(terminal: string, text: string): Promise<void> {
    const typed = this.typing.then(() =>
      this.api.send('POST', `${terminalUrl(terminal)}/input`, { text }),
    );
    this.typing = typed.catch(() => undefined);
    return typed.then(() => undefined);
  }
}

/** The address of a terminal's live view. */
export function liveUrl(terminal: string): string {
  return `${terminalUrl(terminal)}/live`;
}

/** The address of a cast. */
export function castUrl(name: string): string {
  return `${INSTRUCTOR}/recordings/${encodeURIComponent(name)}`;
}

function terminalUrl(name: string): string {
  return `${INSTRUCTOR}/terminals/${encodeURIComponent(name)}`;
}

// The daemon's HTTP API as functions; every failure is an ApiError with a sentence for the student.

import { answerMessages, type AnswerMessage } from './answer-stream';
import type {
  AuthorHelp,
  AuthorHelpRequest,
  ErrorBody,
  HelpHistory,
  HelpLadder,
  QuestionRequest,
  RecordingAnswer,
  RecordingInfo,
  Report,
  State,
  StepSummary,
  TerminalInfo,
  Transition,
  TransitionKind,
  Watching,
  Workshop,
} from './protocol';

/** What went wrong; `status` 0 means that the daemon could not be reached. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

const ANSWER_MILLISECONDS = 15_000;
const CHECK_MILLISECONDS = 120_000; // the daemon has its own, shorter deadline for checks

/** The student's part of the API. */
export class Api {
  constructor(private readonly fetch: Fetch = (url, init) => window.fetch(url, init)) {}

  workshop(): Promise<Workshop> {
    return this.json('GET', '/api/workshop');
  }

  state(): Promise<State> {
    return this.json('GET', '/api/state');
  }

  steps(): Promise<StepSummary[]> {
    return this.json('GET', '/api/steps');
  }

  async text(stepId: string): Promise<string> {
    const response = await this.send('GET', `${stepUrl(stepId)}/content`);
    return this.body(() => response.text());
  }

  ladder(stepId: string): Promise<HelpLadder> {
    return this.json('GET', `${stepUrl(stepId)}/help`);
  }

  /** The author's next hint, explanation or solution. */
  uncover(stepId: string, wish: AuthorHelpRequest): Promise<AuthorHelp> {
    return this.json('POST', `${stepUrl(stepId)}/help`, wish);
  }

  helpHistory(stepId: string): Promise<HelpHistory> {
    return this.json('GET', `${stepUrl(stepId)}/llm/history`);
  }

  async rate(stepId: string, id: string, useful: boolean): Promise<void> {
    await this.send('POST', `${stepUrl(stepId)}/llm/rating`, { id, useful });
  }

  /** Asks the model; the messages come as it writes, until `signal` ends it. */
  async *ask(
    stepId: string,
    question: QuestionRequest,
    signal: AbortSignal,
  ): AsyncGenerator<AnswerMessage> {
    const response = await this.send(
      'POST',
      `${stepUrl(stepId)}/llm/help`,
      question,
      undefined,
      signal,
    );
    if (response.body === null) return;
    yield* answerMessages(response.body);
  }

  view(stepId: string): Promise<unknown> {
    return this.json('POST', `${stepUrl(stepId)}/view`);
  }

  validate(stepId: string): Promise<Report> {
    return this.json('POST', `${stepUrl(stepId)}/validate`, undefined, CHECK_MILLISECONDS);
  }

  complete(stepId: string): Promise<unknown> {
    return this.json('POST', `${stepUrl(stepId)}/complete`);
  }

  transition(stepId: string, kind: TransitionKind): Promise<Transition> {
    return this.json('POST', `${stepUrl(stepId)}/transition`, { kind });
  }

  cancelTransition(id: string): Promise<Transition> {
    return this.json('DELETE', `/api/transitions/${encodeURIComponent(id)}`);
  }

  terminals(): Promise<TerminalInfo[]> {
    return this.json('GET', '/api/terminals');
  }

  openTerminal(name?: string): Promise<TerminalInfo> {
    return this.json('POST', '/api/terminals', name === undefined ? {} : { name });
  }

  /** Calls it `title`, or by its name when that is empty. */
  renameTerminal(name: string, title: string): Promise<TerminalInfo> {
    return this.json('PATCH', terminalUrl(name), { title });
  }

  /** Ends all that runs in it and starts a new shell. */
  restartTerminal(name: string): Promise<TerminalInfo> {
    return this.json('POST', `${terminalUrl(name)}/restart`);
  }

  async closeTerminal(name: string): Promise<void> {
    await this.send('DELETE', terminalUrl(name));
  }

  /** Every recording, the oldest first. */
  recordings(): Promise<RecordingInfo[]> {
    return this.json('GET', '/api/recordings');
  }

  async deleteRecording(name: string): Promise<void> {
    await this.send('DELETE', recordingUrl(name));
  }

  /** Pauses recording in every terminal, or goes on with it. */
  pauseRecording(paused: boolean): Promise<RecordingAnswer> {
    return this.json('POST', '/api/recording', { paused });
  }

  hand(raised: boolean, note: string): Promise<State> {
    return this.json('POST', '/api/hand', note === '' ? { raised } : { raised, note });
  }

  answerWatching(id: string, yes: boolean): Promise<Watching> {
    return this.json('POST', watchingUrl(id), { allowed: yes });
  }

  endWatching(id: string): Promise<Watching> {
    return this.json('DELETE', watchingUrl(id));
  }

  chooseWatching(mode: Watching['mode']): Promise<Watching> {
    return this.json('POST', '/api/watching', { mode });
  }

  /** One exchange whose answer is JSON. */
  async json<T>(
    method: string,
    url: string,
    body?: object,
    milliseconds = ANSWER_MILLISECONDS,
  ): Promise<T> {
    const response = await this.send(method, url, body, milliseconds);
    return this.body(() => response.json() as Promise<T>);
  }

  /** One exchange; what the daemon refuses is an ApiError. */
  async send(
    method: string,
    url: string,
    body?: object,
    milliseconds = ANSWER_MILLISECONDS,
    signal?: AbortSignal, // in place of the deadline
  ): Promise<Response> {
    const response = await this.body(() =>
      this.fetch(url, {
        method,
        credentials: 'same-origin',
        signal: signal ?? AbortSignal.timeout(milliseconds),
        ...(body && {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      }),
    );
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** Runs a part of an exchange; a broken connection becomes an ApiError. */
  private async body<T>(part: () => Promise<T>): Promise<T> {
    try {
      return await part();
    } catch (reason) {
      if (reason instanceof DOMException && reason.name === 'TimeoutError')
        throw new ApiError(0, 'timeout', 'The workshop did not answer in time. Try again.');
      throw new ApiError(0, 'unreachable', 'The workshop cannot be reached right now.');
    }
  }
}

/** The address of a cast. */
export function recordingUrl(name: string): string {
  return `/api/recordings/${encodeURIComponent(name)}`;
}

function watchingUrl(id: string): string {
  return `/api/watching/${encodeURIComponent(id)}`;
}

function stepUrl(stepId: string): string {
  return `/api/steps/${encodeURIComponent(stepId)}`;
}

function terminalUrl(name: string): string {
  return `/api/terminals/${encodeURIComponent(name)}`;
}

async function refusal(response: Response): Promise<ApiError> {
  const { status } = response;
  try {
    const { error } = (await response.json()) as Partial<ErrorBody>;
    if (error) return new ApiError(status, error.code, error.message, error.details);
  } catch {
    // Not the daemon's own answer, or cut off: the status must do.
  }
  return new ApiError(status, 'unexpected', `The workshop answered with status ${status}.`);
}

// The help with one step: the author's words one by one, and questions to a model.

import { ApiError, type Api } from './api';
import { renderAnswer, renderMarkdown, type Rendered } from './markdown';
import type { HelpInteraction, HelpLadder } from './protocol';

export type HelpMode = HelpLadder['defaultMode'];

/** What an author wrote, ready to be drawn. */
export interface AuthorText {
  title: string | null;
  rendered: Rendered;
}

/** A question with its answer; `id` is null while it is being written. */
export interface Exchange {
  id: string | null;
  mode: HelpMode;
  question: string;
  rendered: Rendered;
  isEmpty: boolean;
  /** A model wrote it, so it may be wrong. */
  byModel: boolean;
  model: string | null;
  /** What the student must know about it, as a sentence. */
  note: string | null;
  useful: boolean | null;
}

/** Why no question can be asked now; `until` in milliseconds since the epoch, or null. */
export interface Refusal {
  message: string;
  until: number | null;
}

const REDRAW_MILLISECONDS = 60;
export const QUESTION_CHARACTERS = 4000;

/** What one panel holds. */
export class StepHelp {
  ladder = $state.raw<HelpLadder | null>(null);
  hints = $state.raw<readonly AuthorText[]>([]);
  texts = $state.raw<Partial<Record<HelpMode, AuthorText>>>({});
  exchanges = $state.raw<readonly Exchange[]>([]);
  /** The answer that is being written. */
  writing = $state.raw<Exchange | null>(null);
  refusal = $state.raw<Refusal | null>(null);
  failure = $state<string | null>(null);
  /** The last answer failed and the author has a hint left. */
  offersHint = $state(false);

  private abort: AbortController | null = null;
  private isStale = false; // help was given while an answer was being written

  constructor(
    private readonly api: Api,
    private readonly step: string,
  ) {}

  // Not a derived value: this outlives the panel that reads it first, and with it that would end.
  get hintsLeft(): boolean {
    return (this.ladder?.hints ?? 0) > this.hints.length;
  }

  /** What there is, and what was asked before. */
  async load(): Promise<void> {
    await this.attempt(() => this.read());
  }

  /** Help was given, maybe to another tab: shows it, once there is something to be shown. */
  async refresh(): Promise<void> {
    if (this.ladder === null) return;
    if (this.writing) {
      this.isStale = true;
      return;
    }
    try {
      await this.read();
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason; // the feed says what is wrong
    }
  }

  /** The author's next hint. */
  async nextHint(): Promise<void> {
    this.offersHint = false;
    await this.attempt(async () => {
      const given = await this.api.uncover(this.step, { mode: 'hints' });
      const hints = [...this.hints];
      hints[(given.hint ?? 1) - 1] = this.drawn(given.text, given.title);
      this.hints = hints;
    });
  }

  /** The author's explanation or solution; the student has confirmed the latter. */
  async show(mode: 'explain' | 'solve'): Promise<void> {
    if (this.texts[mode]) return;
    await this.attempt(async () => {
      const given = await this.api.uncover(this.step, { mode, confirmed: mode === 'solve' });
      this.texts = { ...this.texts, [mode]: this.drawn(given.text) };
    });
  }

  /** Asks the model. Answers whether the question was taken. */
  async ask(question: string, mode: HelpMode): Promise<boolean> {
    if (this.writing || question.trim() === '') return false;
    this.failure = this.refusal = null;
    this.offersHint = false;
    const abort = (this.abort = new AbortController());
    let text = '';
    let drawnAt = 0;
    let taken = false;
    const asked = { ...EMPTY, mode, question };
    this.writing = asked;
    try {
      const wish = { question, mode, confirmed: mode === 'solve' };
      for await (const message of this.api.ask(this.step, wish, abort.signal)) {
        taken = true;
        switch (message.event) {
          case 'token':
            text += message.data.text;
            if (Date.now() - drawnAt < REDRAW_MILLISECONDS) break;
            drawnAt = Date.now();
            this.writing = { ...asked, rendered: renderAnswer(text), isEmpty: false };
            break;
          case 'reset':
            text = '';
            this.writing = { ...asked, note: 'The first answer said too much; asking again…' };
            break;
          case 'done':
            this.finished(exchangeOf(message.data.interaction));
            if (message.data.interaction.hint !== undefined) await this.load();
            return true;
          case 'error':
            this.finished({
              ...exchangeOf(message.data.interaction),
              note: partial(message.data.message, text),
            });
            this.offersHint = this.hintsLeft;
            return true;
          default:
            message satisfies never;
        }
      }
      this.broken(asked, text, 'The connection broke before the answer was complete.');
    } catch (reason) {
      if (abort.signal.aborted) this.broken(asked, text, STOPPED);
      else if (reason instanceof ApiError && !taken) this.refused(reason);
      else this.broken(asked, text, 'The connection broke before the answer was complete.');
    } finally {
      this.writing = null;
      this.abort = null;
      if (this.isStale) {
        this.isStale = false;
        void this.refresh();
      }
    }
    return taken;
  }

  /** Ends the answer that is being written. */
  stop(): void {
    this.abort?.abort();
  }

  async rate(exchange: Exchange, useful: boolean): Promise<void> {
    const { id } = exchange;
    if (id === null) return;
    await this.attempt(async () => {
      await this.api.rate(this.step, id, useful);
      this.exchanges = this.exchanges.map((each) => (each.id === id ? { ...each, useful } : each));
    });
  }

  private async read(): Promise<void> {
    const ladder = await this.api.ladder(this.step);
    this.ladder = ladder;
    if (ladder.uncovered.length >= this.hints.length)
      this.hints = ladder.uncovered.map(({ title, text }) => this.drawn(text, title));
    const { interactions } = await this.api.helpHistory(this.step);
    this.exchanges = merged(
      this.exchanges,
      interactions.filter(({ question }) => question !== ''),
    );
  }

  private drawn(text: string, title?: string): AuthorText {
    return { title: title ?? null, rendered: renderMarkdown(text, this.step) };
  }

  private finished(exchange: Exchange): void {
    const others = this.exchanges.filter(({ id }) => id === null || id !== exchange.id); // a refresh
    this.exchanges = [...others, exchange];
  }

  private broken(asked: Exchange, text: string, sentence: string): void {
    this.offersHint = sentence !== STOPPED && this.hintsLeft;
    const rendered = renderAnswer(text);
    this.finished({ ...asked, rendered, isEmpty: text === '', note: sentence });
  }

  private refused(reason: ApiError): void {
    const wait = Number(reason.details['retryAfter']);
    const limited = reason.code === 'help_limited';
    const isTimed = limited && reason.details['limit'] === 'per minute' && wait > 0;
    this.refusal = {
      message: reason.message,
      until: isTimed ? Date.now() + wait * 1000 : null,
    };
    this.offersHint = this.hintsLeft;
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

/** The daemon's history, and what this page knows better or the daemon does not know yet. */
function merged(here: readonly Exchange[], kept: readonly HelpInteraction[]): Exchange[] {
  const known = new Map(here.map((each) => [each.id, each]));
  const ids = new Set(kept.map(({ id }) => id));
  const news = new Set(kept.filter(({ id }) => !known.has(id)).map(({ question }) => question));
  const own = here.filter(({ id, question }) => (id === null ? !news.has(question) : !ids.has(id)));
  return [...kept.map((each) => known.get(each.id) ?? exchangeOf(each)), ...own];
}

const STOPPED = 'You stopped this answer.';

const EMPTY: Omit<Exchange, 'mode' | 'question'> = {
  id: null,
  rendered: renderAnswer(''),
  isEmpty: true,
  byModel: true,
  model: null,
  note: null,
  useful: null,
};

function exchangeOf(given: HelpInteraction): Exchange {
  return {
    id: given.id,
    mode: given.mode,
    question: given.question,
    rendered: renderAnswer(given.response),
    isEmpty: given.response === '',
    byModel: given.source === 'model',
    model: given.model ?? null,
    note: noteOf(given),
    useful: given.useful ?? null,
  };
}

/** What became of an answer that is not simply an answer. */
function noteOf(given: HelpInteraction): string | null {
  switch (given.outcome) {
    case 'answered':
      return null;
    case 'partial':
      return 'This answer is not complete.';
    case 'stopped':
      return STOPPED;
    case 'failed':
      return 'No answer came.';
    case 'replaced':
      return 'The model would have given the solution away. This is what the author wrote instead.';
    default:
      return given.outcome satisfies never;
  }
}

function partial(sentence: string, text: string): string {
  return text === '' ? sentence : `${sentence} What you see is not complete.`;
}

/** How long to wait, for a person; empty when the time is over. */
export function waitSentence(refusal: Refusal, now: number): string {
  if (refusal.until === null) return refusal.message;
  const seconds = Math.ceil((refusal.until - now) / 1000);
  if (seconds <= 0) return '';
  return `You asked a lot in a short time. You can ask again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`;
}

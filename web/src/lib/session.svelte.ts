// The one place that receives the feed and holds what the page knows. Components read it and call
// its actions; nothing else talks to the daemon about steps, checks and transitions.

import { Api, ApiError } from './api';
import { StepHelp } from './help.svelte';
import { Feed, type Connection, type FeedMessage, type FeedParts } from './feed';
import { renderMarkdown, type Rendered } from './markdown';
import { isFinished, nextToDo } from './navigation';
import { isOpen, transitionSentence } from './sentences';
import type {
  Report,
  State,
  StepSummary,
  TerminalInfo,
  TransitionKind,
  Watching,
  Workshop,
} from './protocol';

/** The text of the viewed step. */
export type Text =
  | { kind: 'loading' }
  | { kind: 'ready'; step: string; rendered: Rendered }
  | { kind: 'failed'; step: string; message: string };

export interface SessionParts {
  api: Api;
  open: FeedParts['open'];
  later: FeedParts['later'];
}

const AGAIN_MILLISECONDS = 2_000; // until what could not be loaded is asked for again

/** One student's session as this page sees it. */
export class Session {
  workshop = $state.raw<Workshop | null>(null);
  state = $state.raw<State | null>(null);
  steps = $state.raw<StepSummary[]>([]);
  terminals = $state.raw<TerminalInfo[]>([]);
  /** The start of the daemon whose terminals these are; null while none are known. */
  terminalsBoot = $state<string | null>(null);
  reports = $state.raw<Readonly<Record<string, Report>>>({});
  text = $state.raw<Text>({ kind: 'loading' });
  connection = $state<Connection>('connecting');
  /** A locked step the student clicked on: the page says why it is locked. */
  lockedStep = $state<string | null>(null);
  /** Steps whose checks this page is waiting for. */
  checking = $state.raw<readonly string[]>([]);
  /** The step that was completed while the page looked on, until the student moves. */
  celebrated = $state<string | null>(null);
  /** What a screen reader is told. */
  announcement = $state('');
  /** The last thing that did not work, as a sentence. */
  failure = $state<string | null>(null);

  private wanted = $state<string | null>(null); // a view that the daemon has not confirmed
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- a cache that nothing draws from
  private readonly rendered = new Map<string, Rendered>();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- each draws itself
  private readonly helps = new Map<string, StepHelp>();
  private stepsKey = ''; // what `steps` was loaded for
  private loadingText: string | null = null;
  private cancelAgain: () => void = () => undefined;
  private readonly api: Api;
  private readonly later: FeedParts['later'];
  private readonly feed: Feed;

  constructor(parts: SessionParts) {
    this.api = parts.api;
    this.later = parts.later;
    this.feed = new Feed({
      open: parts.open,
      later: parts.later,
      probe: () => this.api.state(),
      onMessage: (message) => this.receive(message),
      onConnection: (connection) => this.connected(connection),
    });
  }

  readonly viewed = $derived(this.wanted ?? this.state?.viewedStep ?? null);
  readonly step = $derived(this.find(this.viewed));
  readonly next = $derived(this.viewed === null ? null : nextToDo(this.steps, this.viewed));
  readonly finished = $derived(isFinished(this.steps));
  /** Whether `terminals` are those of the daemon that answers now. */
  readonly knowsTerminals = $derived(
    this.terminalsBoot !== null && this.terminalsBoot === this.state?.boot,
  );
  readonly transition = $derived(
    this.state?.transition && isOpen(this.state.transition) ? this.state.transition : null,
  );

  start(): void {
    this.feed.start();
    void this.loadDefinition();
  }

  stop(): void {
    this.cancelAgain();
    this.feed.stop();
  }

  /** After sleep or a change of network: is the connection still there? */
  wake(): void {
    void this.feed.check();
  }

  find(id: string | null): StepSummary | null {
    return this.steps.find((step) => step.id === id) ?? null;
  }

  title(id: string): string {
    return this.find(id)?.title ?? id;
  }

  /** Shows a step's text and checks, or why it is locked; the machine is not touched. */
  async view(id: string): Promise<void> {
    const step = this.find(id);
    if (step && !step.accessible) {
      this.lockedStep = id;
      return;
    }
    this.lockedStep = null;
    this.celebrated = null;
    if (id === this.viewed) return;
    this.wanted = id;
    void this.loadText();
    const done = await this.attempt(() => this.api.view(id));
    if (done === null && this.wanted === id) {
      this.wanted = null;
      void this.loadText();
    }
  }

  async validate(id: string): Promise<void> {
    if (this.checking.includes(id)) return;
    this.checking = [...this.checking, id];
    const report = await this.attempt(() => this.api.validate(id));
    this.checking = this.checking.filter((each) => each !== id);
    if (report) this.addReport(report);
  }

  async complete(id: string): Promise<void> {
    await this.attempt(() => this.api.complete(id));
  }

  /** Asks the host to move the machine; the student has been asked already. */
  async move(id: string, kind: TransitionKind): Promise<void> {
    await this.attempt(() => this.api.transition(id, kind));
  }

  async cancelMove(): Promise<void> {
    const id = this.transition?.id;
    if (id !== undefined) await this.attempt(() => this.api.cancelTransition(id));
  }

  /** Makes sure that a terminal is open; answers its name, or null when that failed. */
  async openTerminal(name?: string): Promise<string | null> {
    const isThere = this.terminals.some((each) => each.name === name);
    if (name !== undefined && isThere && this.knowsTerminals) return name;
    return this.attempt(async () => {
      try {
        const opened = await this.api.openTerminal(name);
        this.know(opened);
        return opened.name;
      } catch (reason) {
        if (name === undefined || !isTaken(reason)) throw reason;
        this.terminals = await this.api.terminals(); // another page was faster
        return name;
      }
    });
  }

  /** Gives a terminal a title, or takes it away when that is empty. */
  async renameTerminal(name: string, title: string): Promise<void> {
    const renamed = await this.attempt(() => this.api.renameTerminal(name, title));
    if (renamed) this.know(renamed);
  }

  /** Ends all that runs in a terminal and starts a new shell; answers whether that was done. */
  async restartTerminal(name: string): Promise<boolean> {
    const restarted = await this.attempt(() => this.api.restartTerminal(name));
    if (restarted) this.know(restarted);
    return restarted !== null;
  }

  /** Closes a terminal and ends all that runs in it; answers whether that was done. */
  async closeTerminal(name: string): Promise<boolean> {
    const closed = await this.attempt(() => this.api.closeTerminal(name).then(() => true));
    if (closed) this.terminals = this.terminals.filter((each) => each.name !== name);
    return closed ?? false;
  }

  /** Pauses the recording of every terminal, or goes on with it; the feed brings the new state. */
  async pauseRecording(paused: boolean): Promise<void> {
    await this.attempt(() => this.api.pauseRecording(paused));
  }

  /** Raises the hand with a word, or takes it down. */
  async raiseHand(raised: boolean, note: string): Promise<void> {
    const state = await this.attempt(() => this.api.hand(raised, note));
    if (state) this.apply(state);
  }

  /** Says yes or no to an instructor who asks to watch or to type. */
  async answerWatching(id: string, yes: boolean): Promise<void> {
    await this.attempt(() => this.api.answerWatching(id, yes));
  }

  async endWatching(id: string): Promise<void> {
    await this.attempt(() => this.api.endWatching(id));
  }

  /** How far instructors may look at the terminals; never further than the workshop says. */
  async chooseWatching(mode: Watching['mode']): Promise<void> {
    await this.attempt(() => this.api.chooseWatching(mode));
  }

  /** The help with one step, for its panel. */
  help(id: string): StepHelp {
    const known = this.helps.get(id) ?? new StepHelp(this.api, id);
    this.helps.set(id, known);
    return known;
  }

  /** Tries the text of the viewed step again. */
  retryText(): void {
    void this.loadText();
  }

  private know(terminal: TerminalInfo): void {
    this.terminals = this.terminals.some((each) => each.name === terminal.name)
      ? this.terminals.map((each) => (each.name === terminal.name ? terminal : each))
      : [...this.terminals, terminal];
  }

  private receive(message: FeedMessage): void {
    switch (message.event) {
      case 'state':
        this.apply(message.data);
        break;
      case 'report':
        this.addReport(message.data);
        break;
      case 'terminal':
        this.terminals = message.data.terminals;
        this.terminalsBoot = this.state?.boot ?? null;
        break;
      case 'help':
        void this.helps.get(message.data.step)?.refresh();
        break;
      default:
        message satisfies never;
    }
  }

  private apply(next: State): void {
    const before = this.state;
    if (before && before.session !== next.session) {
      this.feed.stop();
      this.connection = 'session-lost';
      return;
    }
    this.state = next;
    if (this.wanted === next.viewedStep) this.wanted = null;
    if (!before || before.boot !== next.boot) this.rendered.clear();
    void this.loadSteps();
    if (before) this.notice(before, next);
    if (this.text.kind !== 'ready' || this.text.step !== this.viewed) void this.loadText();
  }

  /** Says aloud what changed between two states. */
  private notice(before: State, next: State): void {
    const fresh = next.completedSteps.find((id) => !before.completedSteps.includes(id));
    if (fresh !== undefined) {
      this.announcement = `Step completed: ${this.title(fresh)}.`;
      if (fresh === this.viewed) this.celebrated = fresh;
    }
    const move = next.transition;
    const was = before.transition;
    if (!move || (was?.id === move.id && was.status === move.status)) return;
    this.announcement = transitionSentence(move, this.title(move.step));
    if (move.status === 'completed') {
      this.lockedStep = null;
      this.celebrated = null;
      this.wanted = null;
    }
  }

  private addReport(report: Report): void {
    const before = this.reports[report.step];
    this.reports = { ...this.reports, [report.step]: report };
    if (report.step !== this.viewed || sameReport(before, report)) return;
    const { total, skipped, passed } = report.counts;
    if (report.outcome === 'failed')
      this.announcement = `Checks: ${passed} of ${total - skipped} pass.`;
    if (report.outcome === 'error') this.announcement = 'The checks could not run.';
  }

  private connected(connection: Connection): void {
    if (this.connection === 'session-lost') return;
    const back = connection === 'live' && this.connection !== 'live';
    this.connection = connection;
    if (!back) return;
    this.failure = null;
    if (!this.workshop) void this.loadDefinition();
    for (const help of this.helps.values()) void help.refresh(); // what was given meanwhile
  }

  private async loadDefinition(): Promise<void> {
    try {
      this.workshop = await this.api.workshop();
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason; // the feed says what is wrong
      this.loadAgain();
    }
  }

  /** The list depends on the definition and on what is completed; it is asked for when they change. */
  private async loadSteps(): Promise<void> {
    const key = this.state ? [this.state.boot, ...this.state.completedSteps].join('\n') : '';
    if (key === this.stepsKey) return;
    const before = this.stepsKey;
    this.stepsKey = key;
    try {
      const steps = await this.api.steps();
      if (this.stepsKey !== key) return; // a newer list is on its way
      this.steps = steps;
      if (this.lockedStep !== null && this.find(this.lockedStep)?.accessible)
        this.lockedStep = null;
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason;
      if (this.stepsKey !== key) return;
      this.stepsKey = before;
      this.loadAgain();
    }
  }

  /** One request may fail while the feed goes on: nothing else would ask for what it was to bring. */
  private loadAgain(): void {
    this.cancelAgain();
    this.cancelAgain = this.later(() => {
      if (!this.workshop) void this.loadDefinition();
      void this.loadSteps();
    }, AGAIN_MILLISECONDS);
  }

  private async loadText(): Promise<void> {
    const id = this.viewed;
    if (id === null || this.loadingText === id) return;
    const known = this.rendered.get(id);
    if (known) {
      this.text = { kind: 'ready', step: id, rendered: known };
      return;
    }
    this.loadingText = id;
    if (this.text.kind !== 'ready') this.text = { kind: 'loading' };
    try {
      const rendered = renderMarkdown(await this.api.text(id), id);
      this.rendered.set(id, rendered);
      if (this.viewed === id) this.text = { kind: 'ready', step: id, rendered };
    } catch (reason) {
      if (this.viewed === id) this.text = { kind: 'failed', step: id, message: sentence(reason) };
    } finally {
      if (this.loadingText === id) this.loadingText = null;
    }
  }

  /** Runs what the student asked for; a failure becomes a sentence on the page and null for the caller. */
  private async attempt<T>(action: () => Promise<T>): Promise<T | null> {
    this.failure = null;
    try {
      return await action();
    } catch (reason) {
      const message = sentence(reason);
      if (reason instanceof ApiError && reason.status === 401) void this.feed.check();
      else this.failure = message;
      return null;
    }
  }
}

function sameReport(before: Report | undefined, next: Report): boolean {
  return before?.outcome === next.outcome && before.counts.passed === next.counts.passed;
}

function isTaken(reason: unknown): boolean {
  return reason instanceof ApiError && reason.code === 'already_exists';
}

function sentence(reason: unknown): string {
  if (reason instanceof ApiError) return reason.message;
  throw reason; // a fault of the page itself must not look like one of the workshop
}

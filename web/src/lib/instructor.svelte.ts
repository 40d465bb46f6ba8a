// The one place that receives the instructor's feed and holds what the page knows of its student.

import {
  checkRow,
  commandRow,
  happeningRow,
  type CheckRow,
  type CommandRow,
  type HappeningRow,
  type HelpRow,
} from './activity';
import { ApiError } from './api';
import {
  InstructorFeed,
  type InstructorConnection,
  type InstructorFeedParts,
  type InstructorMessage,
} from './instructor-feed';
import type { InstructorApi } from './instructor-api';
import type { InstructorStatus, Permission } from './protocol';

const KEPT_ROWS = 5000;

export interface StudentViewParts {
  api: InstructorApi;
  open: InstructorFeedParts['open'];
  later: InstructorFeedParts['later'];
  /** Calls once, soon: many facts make one picture. */
  soon(action: () => void): void;
}

/** One student as an instructor sees them. */
export class StudentView {
  status = $state.raw<InstructorStatus | null>(null);
  connection = $state<InstructorConnection>('connecting');
  commands = $state.raw<readonly CommandRow[]>([]);
  checks = $state.raw<readonly CheckRow[]>([]);
  happenings = $state.raw<readonly HappeningRow[]>([]);
  helps = $state.raw<readonly HelpRow[]>([]);
  /** The last thing that did not work, as a sentence. */
  failure = $state<string | null>(null);
  /** What a screen reader is told. */
  announcement = $state('');

  private nextCommands: CommandRow[] = [];
  private nextChecks: CheckRow[] = [];
  private nextHappenings: HappeningRow[] = [];
  private viewed: string | null = null;
  private isDrawing = false;
  private wantsHelps = false;
  private readonly api: InstructorApi;
  private readonly feed: InstructorFeed;
  private readonly soon: StudentViewParts['soon'];

  constructor(parts: StudentViewParts) {
    this.api = parts.api;
    this.soon = parts.soon;
    this.feed = new InstructorFeed({
      open: parts.open,
      later: parts.later,
      probe: () => this.api.status(),
      onMessage: (message) => this.receive(message),
      onConnection: (connection) => (this.connection = connection),
    });
  }

  start(): void {
    this.feed.start();
  }

  stop(): void {
    this.feed.stop();
  }

  title(step: string): string {
    return this.status?.steps.find((each) => each.id === step)?.title ?? step;
  }

  async lowerHand(note: string): Promise<void> {
    const status = await this.attempt(() => this.api.lowerHand(note));
    if (status) this.status = status;
  }

  /** Asks to look or to type; answers whether looking is allowed at once. */
  async ask(kind: Permission['kind'], terminal: string): Promise<boolean> {
    const answer = await this.attempt(() => this.api.ask(kind, terminal));
    return answer?.status === 'allowed';
  }

  async end(permission: string): Promise<void> {
    await this.attempt(() => this.api.end(permission));
  }

  async type(terminal: string, text: string): Promise<void> {
    await this.attempt(() => this.api.type(terminal, text));
  }

  /** Runs something; a failure becomes a sentence on the page and null for the caller. */
  async attempt<T>(action: () => Promise<T>): Promise<T | null> {
    try {
      const done = await action();
      this.failure = null;
      return done;
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason;
      this.failure = reason.message;
      return null;
    }
  }

  private receive(message: InstructorMessage): void {
    if (message.kind === 'status') this.apply(message.status);
    else this.take(message);
  }

  private apply(next: InstructorStatus): void {
    const before = this.status;
    if (before && before.session !== next.session) {
      this.clear();
      this.status = null;
      this.feed.restart();
      return;
    }
    this.status = next;
    if (!before) return;
    if (next.hand && next.hand.since !== before.hand?.since)
      this.announcement = `The student raised a hand${next.hand.note ? `: ${next.hand.note}` : '.'}`;
    else if (next.completed > before.completed) this.announcement = 'A step was completed.';
    else if (next.stuck.length > before.stuck.length)
      this.announcement = next.stuck[0]?.message ?? '';
  }

  private take(fact: Exclude<InstructorMessage, { kind: 'status' }>): void {
    const { id, kind, record } = fact;
    if (record.event === 'step_viewed' || record.event === 'step_start')
      this.viewed = typeof record['step'] === 'string' ? record['step'] : this.viewed;
    if (kind === 'command') {
      const row = commandRow(id, record, this.viewed);
      if (row) this.nextCommands.push(row);
    } else if (kind === 'report') {
      const row = checkRow(id, record);
      if (row) this.nextChecks.push(row);
    } else {
      const row = happeningRow(id, kind, record, (step) => this.title(step));
      if (row) this.nextHappenings.push(row);
      if (kind === 'help') this.wantsHelps = true;
    }
    if (this.isDrawing) return;
    this.isDrawing = true;
    this.soon(() => this.draw());
  }

  private draw(): void {
    this.isDrawing = false;
    this.commands = grown(this.commands, this.nextCommands);
    this.checks = grown(this.checks, this.nextChecks);
    this.happenings = grown(this.happenings, this.nextHappenings);
    [this.nextCommands, this.nextChecks, this.nextHappenings] = [[], [], []];
    if (this.wantsHelps) void this.loadHelps();
  }

  /** What was asked and answered is in a log of its own. */
  private async loadHelps(): Promise<void> {
    this.wantsHelps = false;
    const helps = await this.attempt(() => this.api.helpHistory());
    if (helps !== null) this.helps = helps;
  }

  private clear(): void {
    this.commands = this.checks = [] as never[];
    this.happenings = [];
    this.helps = [];
    this.viewed = null;
    [this.nextCommands, this.nextChecks, this.nextHappenings] = [[], [], []];
  }
}

function grown<T>(rows: readonly T[], more: readonly T[]): readonly T[] {
  return more.length === 0 ? rows : [...rows, ...more].slice(-KEPT_ROWS);
}

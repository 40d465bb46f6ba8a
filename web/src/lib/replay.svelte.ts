// One replay as a page shows it: what was loaded, where it stands, what can be done with it.

import type { Fetch } from './api';
import { CastError, type Cast, type CastEvent, type CastHeader } from './cast';
import {
  chaptersOf,
  commandAt,
  search,
  sectionsOf,
  type Chapter,
  type Section,
  type TypedCommand,
} from './chapters';
import { EnteredFinder } from './entered';
import { countWhile } from './ordered';
import { Playback, SPEEDS, type PlaybackMode } from './playback';
import type { Command } from './protocol';
import type { openPlayer, ReplayPlayer } from './replay-player';
import { followCast, loadCast, loadCommands, ReplayError, type LiveSource } from './replay-source';
import type { Theme } from './theme';

/** What a replay reads; a page from a file has data addresses here. */
export interface ReplayAddresses {
  cast: string;
  /** The command log, as GET /api/commands gives it. */
  commands?: string | undefined;
  /** The event stream of a recording that goes on. */
  live?: string | undefined;
  /** Whose recording it is; null for a file of another program. */
  terminal: string | null;
}

export interface ReplayParts {
  fetch: Fetch;
  /** Opens the event stream of a recording that goes on. */
  open(url: string): LiveSource;
  player: typeof openPlayer;
}

export type Phase =
  | { kind: 'loading'; bytes: number; total: number | null }
  | { kind: 'ready' }
  | { kind: 'failed'; message: string };

const HELD_CHARACTERS = 128 << 20; // of a live recording, in this page
const JOIN_MILLISECONDS = 500; // the log's line of a command is there when its marker is
const FIRST_SECONDS = 0.5; // what is shown at first: the prompt

/** A replay from its loading to its end. */
export class Replay {
  phase = $state.raw<Phase>({ kind: 'loading', bytes: 0, total: null });
  header = $state.raw<CastHeader | null>(null);
  /** What is to be said about the recording, as a sentence. */
  notice = $state<string | null>(null);
  chapters = $state.raw<Chapter[]>([]);
  query = $state('');
  /** Recorded seconds. */
  time = $state(0);
  duration = $state(0);
  mode = $state<PlaybackMode>('paused');
  speed = $state(1);
  skipsIdle = $state(true);
  isLive = $state(false);
  /** Nothing was played or chosen yet. */
  isFresh = $state(true);

  readonly sections: Section[] = $derived(search(sectionsOf(this.chapters), this.query));
  readonly commands: TypedCommand[] = $derived(
    this.chapters.filter((chapter) => chapter.kind === 'command'),
  );
  readonly current: TypedCommand | null = $derived(commandAt(this.commands, this.time));

  private cast: Cast | null = null;
  private log: Command[] = [];
  private playback: Playback | null = null;
  private player: ReplayPlayer | null = null;
  private readonly entered = new EnteredFinder();
  private held = 0; // characters that came live
  private joinTimer: ReturnType<typeof setTimeout> | undefined;
  private stopFollowing: () => void = () => undefined;
  private readonly over = new AbortController();

  constructor(
    private readonly addresses: ReplayAddresses,
    private readonly parts: ReplayParts,
  ) {}

  /** Loads and shows the recording in `stage`, at the moment `at` when that is given. */
  async open(stage: HTMLElement, theme: Theme, at: number | null): Promise<void> {
    const { cast, commands, live } = this.addresses;
    const { signal } = this.over;
    try {
      const [loaded, log] = await Promise.all([
        loadCast(this.parts.fetch, cast, signal, (bytes, total) => {
          this.phase = { kind: 'loading', bytes, total };
        }),
        commands === undefined ? [] : loadCommands(this.parts.fetch, commands, signal),
      ]);
      this.take(loaded, log);
      await this.show(stage, loaded, theme, at);
    } catch (reason) {
      if (signal.aborted) return;
      this.phase = { kind: 'failed', message: sentence(reason) };
      return;
    }
    if (signal.aborted) return;
    this.phase = { kind: 'ready' };
    if (live !== undefined) this.followFrom(live, at === null);
  }

  close(): void {
    this.over.abort();
    clearTimeout(this.joinTimer);
    this.stopFollowing();
    this.player?.dispose();
    this.playback?.detach();
  }

  setTheme(theme: Theme): void {
    this.player?.setTheme(theme);
  }

  /** Asks the playback for the time; call it for every frame that is drawn. */
  refresh(): void {
    if (this.playback) this.time = this.playback.time;
  }

  toggle(): void {
    this.isFresh = false;
    this.playback?.toggle();
  }

  /** Shows a recorded moment. */
  seek(time: number): void {
    this.isFresh = false;
    this.playback?.seek(time);
  }

  /** Moves by seconds of what is shown. */
  move(seconds: number): void {
    const { playback } = this;
    if (playback) this.seek(playback.recorded(playback.shown(playback.time) + seconds));
  }

  /** Shows the moment the next command was typed, or the one before. */
  moveByCommand(direction: 1 | -1): void {
    const now = this.playback?.time ?? 0;
    const passed = this.mode === 'paused' ? 0.1 : 1; // while it plays, the last one is behind at once
    const found =
      direction === 1
        ? this.commands[countWhile(this.commands, ({ at }) => at <= now + 0.1)]
        : this.commands[countWhile(this.commands, ({ at }) => at < now - passed) - 1];
    if (found) this.seek(found.at);
    else if (direction === -1) this.seek(0);
  }

  follow(): void {
    this.isFresh = false;
    this.playback?.follow();
  }

  setSpeed(speed: number): void {
    this.playback?.setSpeed(speed);
  }

  /** The next speed up or down, if there is one. */
  changeSpeed(direction: 1 | -1): void {
    const index = SPEEDS.findIndex((each) => each === this.speed) + direction;
    this.setSpeed(SPEEDS[index] ?? this.speed);
  }

  setSkipsIdle(skips: boolean): void {
    this.playback?.setSkipsIdle(skips);
  }

  /** Where a recorded moment stands between the start and the end that are shown, in seconds. */
  shown(recorded: number): number {
    // What it depends on, so that who draws it draws it again.
    return this.skipsIdle && this.playback ? this.playback.shown(recorded) : recorded;
  }

  recorded(shown: number): number {
    return this.playback?.recorded(shown) ?? shown;
  }

  private take(cast: Cast, log: Command[]): void {
    this.cast = cast;
    this.log = log;
    this.header = cast.header;
    if (cast.skipped > 0)
      this.notice =
        cast.skipped === 1
          ? 'One line of this recording could not be read and is left out.'
          : `${cast.skipped} lines of this recording could not be read and are left out.`;
    this.join();
  }

  private join(): void {
    if (this.cast) this.chapters = chaptersOf(this.cast, this.log, this.addresses.terminal);
  }

  private async show(
    stage: HTMLElement,
    cast: Cast,
    theme: Theme,
    at: number | null,
  ): Promise<void> {
    const playback = new Playback(cast.events, cast.header, {
      now: () => performance.now(),
      later: (action, milliseconds) => {
        const timer = setTimeout(action, milliseconds);
        return () => clearTimeout(timer);
      },
      changed: () => this.changed(),
    });
    this.playback = playback;
    const first = cast.events.find((event) => event.kind === 'output')?.time ?? 0;
    playback.seek(at ?? first + FIRST_SECONDS);
    if (at !== null) this.isFresh = false;
    const player = await this.parts.player(stage, playback, cast.header, theme);
    if (this.over.signal.aborted) player.dispose();
    else this.player = player;
  }

  private changed(): void {
    const { playback } = this;
    if (!playback) return;
    this.time = playback.time;
    this.duration = playback.duration;
    this.mode = playback.mode;
    this.speed = playback.speed;
    this.skipsIdle = playback.skipsIdle;
    this.isLive = playback.isLive;
  }

  private followFrom(url: string, atOnce: boolean): void {
    const { playback } = this;
    if (!playback) return;
    playback.setLive(true);
    if (atOnce) this.follow();
    this.stopFollowing = followCast(this.parts.open(url), {
      event: (event) => this.went(event),
      ended: () => playback.setLive(false),
    });
  }

  /** Something happened in the recording that goes on. */
  private went(event: CastEvent): void {
    const { playback } = this;
    if (!playback) return;
    this.held += 'text' in event ? event.text.length : 0;
    if (this.held > HELD_CHARACTERS) {
      this.stopFollowing();
      playback.setLive(false);
      this.notice = 'This page follows the recording no further: it is too long. Reload to go on.';
      return;
    }
    for (const each of this.entered.take(event)) playback.append(each);
    this.time = playback.time;
    this.duration = playback.duration;
    if (event.kind !== 'marker') return;
    this.joinTimer ??= setTimeout(() => void this.joinAnew(), JOIN_MILLISECONDS);
  }

  private async joinAnew(): Promise<void> {
    this.joinTimer = undefined;
    const { commands } = this.addresses;
    if (commands !== undefined)
      this.log = await loadCommands(this.parts.fetch, commands, this.over.signal);
    if (!this.over.signal.aborted) this.join();
  }
}

function sentence(reason: unknown): string {
  if (reason instanceof ReplayError || reason instanceof CastError) return reason.message;
  throw reason; // a fault of the page itself must not look like one of the recording
}

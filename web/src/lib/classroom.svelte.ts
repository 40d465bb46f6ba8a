// The one place that receives the wall's stream and holds what the page knows of the class.

import { SvelteMap } from 'svelte/reactivity';
import {
  ClassFeed,
  type ClassFeedParts,
  type WallConnection,
  type WallMessage,
} from './class-feed';
import type { ClassView, ScreenView, SeatView } from './protocol';

export interface ClassroomParts extends Omit<ClassFeedParts, 'onMessage' | 'onConnection'> {
  /** A hand went up that was down before. */
  onHand(): void;
}

/** A class as the wall shows it. */
export class Classroom {
  connection = $state<WallConnection>('connecting');
  view = $state.raw<ClassView | null>(null);
  /** What a screen reader is told. */
  announcement = $state('');
  readonly seats = new SvelteMap<string, SeatView>();
  readonly screens = new SvelteMap<string, ScreenView>();
  /** The seats in the wall's order. */
  readonly inOrder = $derived(
    (this.view?.seats ?? []).flatMap((id) => {
      const seat = this.seats.get(id);
      return seat ? [seat] : [];
    }),
  );

  private hands: readonly string[] | null = null;
  private readonly feed: ClassFeed;

  constructor(private readonly parts: ClassroomParts) {
    this.feed = new ClassFeed({
      open: parts.open,
      probe: parts.probe,
      later: parts.later,
      onMessage: (message) => this.receive(message),
      onConnection: (connection) => (this.connection = connection),
    });
  }

  start(screens: boolean): void {
    if (!screens) this.screens.clear();
    this.feed.start(screens);
  }

  stop(): void {
    this.feed.stop();
  }

  receive(message: WallMessage): void {
    switch (message.event) {
      case 'seat':
        this.seats.set(message.data.id, message.data);
        break;
      case 'screen':
        this.screens.set(message.data.id, message.data);
        break;
      case 'class':
        this.view = message.data;
        this.hear(message.data.queue);
        break;
      default:
        message satisfies never;
    }
  }

  private hear(queue: readonly string[]): void {
    const before = this.hands;
    this.hands = queue;
    const raised = before === null ? [] : queue.filter((id) => !before.includes(id));
    if (raised.length === 0) return;
    const names = raised.map((id) => this.seats.get(id)?.name ?? 'A student');
    this.announcement = `${names.join(', ')} raised a hand.`;
    this.parts.onHand();
  }
}

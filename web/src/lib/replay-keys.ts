// The keys of a replay.

export type ReplayAction =
  | { kind: 'toggle' | 'start' | 'end' | 'idle' | 'full' | 'search' }
  | { kind: 'move'; seconds: number }
  | { kind: 'command' | 'speed'; direction: 1 | -1 };

type Pressed = Pick<KeyboardEvent, 'key' | 'shiftKey' | 'ctrlKey' | 'altKey' | 'metaKey'>;

const STEP_SECONDS = 5;
const LEAP_SECONDS = 30;

/** What a key means; null when it means nothing here, or something to the element it was pressed in. */
export function replayAction(pressed: Pressed, target: Element): ReplayAction | null {
  const { key } = pressed;
  if (pressed.ctrlKey || pressed.altKey || pressed.metaKey) return null;
  if (target.matches('input:not([type=range], [type=checkbox]), textarea, select')) return null;
  switch (key) {
    case ' ':
      // A button, a link or a box answers itself.
      return target.matches('button, a, summary, input') ? null : { kind: 'toggle' };
    case 'k':
      return { kind: 'toggle' };
    case 'ArrowLeft':
    case 'ArrowRight': {
      const seconds = pressed.shiftKey ? LEAP_SECONDS : STEP_SECONDS;
      return { kind: 'move', seconds: key === 'ArrowLeft' ? -seconds : seconds };
    }
    case '[':
      return { kind: 'command', direction: -1 };
    case ']':
      return { kind: 'command', direction: 1 };
    case '<':
      return { kind: 'speed', direction: -1 };
    case '>':
      return { kind: 'speed', direction: 1 };
    case 'Home':
      return { kind: 'start' };
    case 'End':
      return { kind: 'end' };
    case 'i':
      return { kind: 'idle' };
    case 'f':
      return { kind: 'full' };
    case '/':
      return { kind: 'search' };
    default:
      return null;
  }
}

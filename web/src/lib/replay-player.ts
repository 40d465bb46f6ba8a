// asciinema-player as the screen of a playback. It is loaded by the first recording that is opened;
// its terminal is WebAssembly, which the page's content security policy allows by name.

import type { Source } from 'asciinema-player';
import type { Size } from './cast';
import type { Playback, PlaybackScreen } from './playback';
import { ReplayError } from './replay-source';
import { palette, type Palette } from './terminal-themes';
import type { Theme } from './theme';

/** What a driver of the player tells it; the events of its own drivers. */
type Dispatch = (event: string, data?: unknown) => void;

/** A player that is on the page. */
export interface ReplayPlayer {
  setTheme(theme: Theme): void;
  dispose(): void;
}

/** Draws `playback` in `container`, which it fills. */
export async function openPlayer(
  container: HTMLElement,
  playback: Playback,
  size: Size,
  theme: Theme,
): Promise<ReplayPlayer> {
  const { create } = await loadPlayer();
  const screen = new PlayerScreen(theme);
  // Its own driver for files has one speed for its whole life, counts skipped time out of every
  // moment and does not grow. It takes any function for a driver, but does not say so in its types.
  const driver = ({ dispatch }: { dispatch: Dispatch }) => ({
    init: () => {
      screen.dispatch = dispatch;
      dispatch('play'); // takes its own start button away
      playback.attach(screen);
    },
    play: () => playback.play(),
    pause: () => playback.pause(),
    seek: () => false,
    stop: () => playback.detach(),
    getCurrentTime: () => playback.time,
    getDuration: () => playback.duration,
  });
  const player = create(driver as unknown as Source, container, {
    ...size,
    controls: false,
    fit: 'both',
    theme: 'auto/asciinema', // colours come with every `reset`
    terminalFontFamily: 'var(--mono)',
    terminalLineHeight: 1.25,
  });
  return {
    setTheme: (next) => {
      if (screen.theme === next) return;
      screen.theme = next;
      playback.redraw();
    },
    dispose: () => {
      playback.detach();
      player.dispose();
    },
  };
}

async function loadPlayer(): Promise<typeof import('asciinema-player')> {
  if (typeof WebAssembly === 'undefined')
    throw new ReplayError(
      'This browser does not run WebAssembly, which the player needs. Download the recording and ' +
        'play it with “asciinema play”.',
    );
  try {
    const [player] = await Promise.all([
      import('asciinema-player'),
      import('asciinema-player/dist/bundle/asciinema-player.css'),
    ]);
    return player;
  } catch {
    throw new ReplayError('The player could not be loaded. Reload the page to try again.');
  }
}

class PlayerScreen implements PlaybackScreen {
  dispatch: Dispatch = () => undefined;

  constructor(public theme: Theme) {}

  reset(size: Size): void {
    this.dispatch('reset', { size, theme: colours(this.theme) });
  }

  output(texts: string[]): void {
    this.dispatch('output', texts);
  }

  resize(size: Size): void {
    this.dispatch('resize', size);
  }

  moving(moves: boolean): void {
    this.dispatch(moves ? 'playing' : 'pause');
  }
}

const ORDER = [
  'black',
  'red',
  'green',
  'yellow',
  'blue',
  'magenta',
  'cyan',
  'white',
  'brightBlack',
  'brightRed',
  'brightGreen',
  'brightYellow',
  'brightBlue',
  'brightMagenta',
  'brightCyan',
  'brightWhite',
] as const satisfies (keyof Palette)[];

function colours(theme: Theme) {
  const { foreground, background, ...colour } = palette(theme);
  return { foreground, background, palette: ORDER.map((name) => colour[name]) };
}

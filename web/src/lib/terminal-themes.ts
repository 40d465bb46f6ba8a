// Colours of the terminal in both themes. Every one of them reads on the background (WCAG AA);
// what a program mixes itself is lifted by xterm's `minimumContrastRatio`. The backgrounds are the
// page's own `--terminal`.

import type { ITheme } from '@xterm/xterm';
import type { Theme } from './theme';

export const CONTRAST = 4.5; // of every colour of a palette
// What xterm lifts everything to. It lifts reversed text from a ratio of 1, so less would be grey.
export const LIFTED_CONTRAST = 7;

/** A complete palette; colours are `#rrggbb` unless they let something shine through. */
export type Palette = Required<
  Pick<
    ITheme,
    | 'background'
    | 'foreground'
    | 'cursor'
    | 'cursorAccent'
    | 'selectionBackground'
    | 'selectionInactiveBackground'
    | 'scrollbarSliderBackground'
    | 'scrollbarSliderHoverBackground'
    | 'scrollbarSliderActiveBackground'
    | 'black'
    | 'red'
    | 'green'
    | 'yellow'
    | 'blue'
    | 'magenta'
    | 'cyan'
    | 'white'
    | 'brightBlack'
    | 'brightRed'
    | 'brightGreen'
    | 'brightYellow'
    | 'brightBlue'
    | 'brightMagenta'
    | 'brightCyan'
    | 'brightWhite'
  >
>;

const DARK: Palette = {
  background: '#101216',
  foreground: '#e3e6ea',
  cursor: '#f2cc7a',
  cursorAccent: '#101216',
  selectionBackground: '#3d5a80',
  selectionInactiveBackground: '#33414f',
  scrollbarSliderBackground: '#8b949e59',
  scrollbarSliderHoverBackground: '#8b949e8c',
  scrollbarSliderActiveBackground: '#8b949ebf',
  black: '#2d333b',
  red: '#ff7b72',
  green: '#6cc77a',
  yellow: '#e0b252',
  blue: '#7ab7ff',
  magenta: '#d2a0ff',
  cyan: '#56c8d8',
  white: '#c4cad1',
  brightBlack: '#8b949e',
  brightRed: '#ff9a92',
  brightGreen: '#8fe39b',
  brightYellow: '#f2cc7a',
  brightBlue: '#a5d0ff',
  brightMagenta: '#e2bdff',
  brightCyan: '#82e0ee',
  brightWhite: '#ffffff',
};

const LIGHT: Palette = {
  background: '#fdfdfc',
  foreground: '#1f2328',
  cursor: '#0b57b0',
  cursorAccent: '#fdfdfc',
  selectionBackground: '#b6d3f7',
  selectionInactiveBackground: '#d9dfe6',
  scrollbarSliderBackground: '#57606a4d',
  scrollbarSliderHoverBackground: '#57606a80',
  scrollbarSliderActiveBackground: '#57606ab3',
  black: '#1f2328',
  red: '#b3261e',
  green: '#1a6b2d',
  yellow: '#7a5200',
  blue: '#0b57b0',
  magenta: '#8a2a8f',
  cyan: '#0b6470',
  white: '#5b6168',
  brightBlack: '#57606a',
  brightRed: '#c4291d',
  brightGreen: '#1f7a35',
  brightYellow: '#8a5d00',
  brightBlue: '#1f6fd0',
  brightMagenta: '#9a3ba0',
  brightCyan: '#0f7484',
  brightWhite: '#3d444d',
};

/** The palette of a theme. */
export function palette(theme: Theme): Palette {
  return theme === 'dark' ? DARK : LIGHT;
}

/** Colours of found text, as the search needs them. */
export function findColours(theme: Theme) {
  return theme === 'dark'
    ? {
        matchBackground: '#5a4a12',
        matchOverviewRuler: '#e0b252',
        activeMatchBackground: '#8a4b00',
        activeMatchBorder: '#f2cc7a',
        activeMatchColorOverviewRuler: '#ffffff',
      }
    : {
        matchBackground: '#ffe9a8',
        matchOverviewRuler: '#7a5200',
        activeMatchBackground: '#ffc24d',
        activeMatchBorder: '#7a5200',
        activeMatchColorOverviewRuler: '#1f2328',
      };
}

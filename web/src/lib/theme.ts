// Light, dark, or what the system says.

export type ThemeChoice = 'auto' | 'light' | 'dark';
export type Theme = 'light' | 'dark';

export const THEME_KEY = 'theme'; // public/assets/theme.v1.js reads `workshop.theme` before the first paint

/** Reads a remembered choice; anything unknown is `auto`. */
export function parseChoice(value: string | null): ThemeChoice {
  return value === 'light' || value === 'dark' ? value : 'auto';
}

/** The theme that is shown for a choice. */
export function resolveTheme(choice: ThemeChoice, systemIsDark: boolean): Theme {
  if (choice !== 'auto') return choice;
  return systemIsDark ? 'dark' : 'light';
}

/** The toggle goes round: auto, then the opposite of the system's theme, then the other. */
export function nextChoice(choice: ThemeChoice, systemIsDark: boolean): ThemeChoice {
  const order: ThemeChoice[] = systemIsDark ? ['auto', 'light', 'dark'] : ['auto', 'dark', 'light'];
  return order[(order.indexOf(choice) + 1) % order.length] ?? 'auto';
}

/** The toggle's name for a person. */
export function choiceSentence(choice: ThemeChoice): string {
  switch (choice) {
    case 'auto':
      return 'Theme: as the system';
    case 'light':
      return 'Theme: light';
    case 'dark':
      return 'Theme: dark';
    default:
      return choice satisfies never;
  }
}

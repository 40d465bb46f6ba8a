// The theme of a page: what the student chose, what is shown, and the change of it.
import { MediaQuery } from 'svelte/reactivity';
import type { Memory } from './memory';
import { nextChoice, parseChoice, resolveTheme, THEME_KEY, type Theme } from './theme';

export class PageTheme {
  choice = $state(parseChoice(null));
  private readonly systemDark = new MediaQuery('(prefers-color-scheme: dark)');

  constructor(private readonly memory: Memory) {
    this.choice = parseChoice(memory.read(THEME_KEY));
    this.apply();
  }

  /** What is shown, also when the system changes its mind. */
  get shown(): Theme {
    return resolveTheme(this.choice, this.systemDark.current);
  }

  /** On to the next choice, which is remembered. */
  change(): void {
    this.choice = nextChoice(this.choice, this.systemDark.current);
    this.memory.write(THEME_KEY, this.choice);
    this.apply();
  }

  private apply(): void {
    const { dataset } = document.documentElement;
    if (this.choice === 'auto') delete dataset['theme'];
    else dataset['theme'] = this.choice;
  }
}

// Runs before the first paint, so that a remembered theme does not flash; src/lib/theme.ts does the
// rest. Files in assets/ are cached for ever: a change here needs a new name.
try {
  const theme = localStorage.getItem('workshop.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is refused: the system's theme is used.
}

// Times and durations as words for people.

/** `0:42`, `12:05`, `1:02:30`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  const hours = Math.floor(minutes / 60);
  return hours > 0
    ? `${hours}:${two(minutes % 60)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`;
}

/** How long a command ran; nothing for what nobody waits for. */
export function runTime(milliseconds: number | null): string {
  if (milliseconds === null || milliseconds < 100) return '';
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return clock(milliseconds / 1000);
}

/** How long ago something was. */
export function ago(then: string | undefined, now: number): string {
  if (then === undefined) return 'never';
  const seconds = Math.max(0, (now - Date.parse(then)) / 1000);
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(then).toLocaleDateString();
}

/** The time of day. */
export function timeOfDay(ts: string): string {
  return new Date(ts).toLocaleTimeString(undefined, { hour12: false });
}

// Recordings in words and figures.

import type { RecordingInfo, State, TerminalInfo } from './protocol';
import type { Question } from './sentences';
import { plainLabel } from './tabs';

export type RecordingMode = State['recording'];

/** Whether terminals are recorded, as the page's light says it. */
export interface Light {
  kind: RecordingMode | 'stopped';
  label: string;
  sentence: string;
}

/** What the light says; `stopped` when something else than the student keeps it from recording. */
export function lightOf({ recording, problems }: Pick<State, 'recording' | 'problems'>): Light {
  const stopped = problems.filter((problem) => problem.code.startsWith('recording_'));
  if (recording === 'on' && stopped.length > 0)
    return {
      kind: 'stopped',
      label: 'Not recording',
      sentence: stopped.map((problem) => problem.message).join(' '),
    };
  switch (recording) {
    case 'on':
      return {
        kind: 'on',
        label: 'Recording',
        sentence: 'Your terminals are recorded, so that you can look back. Passwords are not.',
      };
    case 'paused':
      return {
        kind: 'paused',
        label: 'Paused',
        sentence: 'Nothing is recorded until you resume. Your terminals go on as usual.',
      };
    case 'off':
      return {
        kind: 'off',
        label: 'Not recorded',
        sentence: 'This workshop was started without recordings.',
      };
    default:
      return recording satisfies never;
  }
}

/** The name a recording goes by: its terminal's, as that one's tab says it, or a foreign file's. */
export function recordingTitle(
  { terminal, name }: RecordingInfo,
  terminals: readonly TerminalInfo[],
): string {
  if (terminal === undefined) return name.replace(/\.cast$/, '');
  return terminals.find((each) => each.name === terminal)?.title ?? plainLabel(terminal);
}

/** When it began: `Today, 14:22`, `Yesterday, 9:05`, `3 March, 14:22`. */
export function recordingDate(started: string | undefined, now: Date, locale?: string): string {
  const date = new Date(started ?? NaN);
  if (Number.isNaN(date.getTime())) return 'At an unknown time';
  const time = date.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' });
  return `${dayOf(date, now, locale)}, ${time}`;
}

function dayOf(date: Date, now: Date, locale: string | undefined): string {
  const midnight = (day: Date) => new Date(day.getFullYear(), day.getMonth(), day.getDate());
  const days = Math.round((midnight(now).getTime() - midnight(date).getTime()) / 86_400_000);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return date.toLocaleDateString(locale, {
    day: 'numeric',
    month: 'long',
    ...(date.getFullYear() !== now.getFullYear() && { year: 'numeric' }),
  });
}

/** A size as a person reads it. */
export function sizeWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ['KB', 'MB', 'GB'];
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  const value = bytes / 1000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power - 1]}`;
}

/** A place in time on a player: `0:07`, `12:03`, `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const end = `${String(rest).padStart(2, '0')}`;
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${end}` : `${minutes}:${end}`;
}

/** A length for reading aloud and for lists: `8 seconds`, `12 minutes`, `2 hours 5 minutes`. */
export function lengthWords(seconds: number): string {
  const counted = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'}`;
  const whole = Math.round(seconds);
  if (whole < 60) return counted(whole, 'second');
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return counted(minutes, 'minute');
  const rest = minutes % 60;
  const hours = counted(Math.floor(minutes / 60), 'hour');
  return rest === 0 ? hours : `${hours} ${counted(rest, 'minute')}`;
}

/** How long a command ran, or nothing when that was not worth a word. */
export function runTime(milliseconds: number | undefined): string {
  if (milliseconds === undefined || milliseconds < 1000) return '';
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}

/** What is asked before a recording is deleted. */
export function deleteQuestion(recording: RecordingInfo, title: string, now: Date): Question {
  const { durationMs } = recording;
  const length = durationMs === undefined ? '' : `, ${lengthWords(durationMs / 1000)}`;
  return {
    title: `Delete the recording of “${title}”?`,
    text: [
      `${recordingDate(recording.started, now)}${length}.`,
      'It is deleted for everybody, your instructor included, and cannot be brought back. Your ' +
        'files and your progress stay as they are.',
      ...(recording.live && recording.terminal !== undefined
        ? ['This terminal is being recorded right now: a new recording begins at once.']
        : []),
    ],
    confirm: 'Delete it',
  };
}

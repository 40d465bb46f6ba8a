// What the page says, as sentences; components only place them.

import type { Connection } from './feed';
import type {
  CheckCounts,
  CheckSummary,
  Report,
  StepSummary,
  Transition,
  TransitionKind,
} from './protocol';

/** The connection in one sentence, or null while there is nothing to say. */
export function connectionSentence(
  connection: Connection,
  transition: Transition | undefined,
): string | null {
  switch (connection) {
    case 'live':
      return null;
    case 'connecting':
      return 'Connecting to the workshop…';
    case 'reconnecting':
      return transition && isOpen(transition)
        ? 'Your machine is being replaced. This page comes back by itself.'
        : 'The connection was lost. Reconnecting… Your shell and your progress are kept.';
    case 'unauthorised':
      return (
        'You are not signed in. Open the full link that was printed when the workshop started, ' +
        'or run “workshop open”; this page then continues by itself.'
      );
    case 'session-lost':
      return 'Another session is running at this address now. Reload the page to go on with it.';
    default:
      return connection satisfies never;
  }
}

/** What is asked before a terminal is restarted. */
export function restartQuestion(terminal: string): Question {
  return {
    title: `Restart “${terminal}”?`,
    text: [
      'Everything that runs in this terminal ends, also what was left running in the background. ' +
        'A new shell starts in its place. Your files are kept.',
    ],
    confirm: 'Restart the terminal',
  };
}

/** What is asked before a terminal with a running shell is closed. */
export function closeQuestion(terminal: string): Question {
  return {
    title: `Close “${terminal}”?`,
    text: [
      'Everything that runs in this terminal ends, also what was left running in the background. ' +
        'Your files are kept.',
    ],
    confirm: 'Close the terminal',
  };
}

/** Whether a transition is still on its way. */
export function isOpen(transition: Transition): boolean {
  return transition.status === 'requested' || transition.status === 'claimed';
}

/** Where a transition stands; the daemon that goes with the old machine takes the feed along. */
export function transitionSentence(
  transition: Transition,
  title: string,
  isConnected = true,
): string {
  switch (transition.status) {
    case 'requested':
      return `${moving(transition.kind, title)} Waiting for the host to start.`;
    case 'claimed':
      return isConnected
        ? `${moving(transition.kind, title)} The new machine is being prepared; yours still runs.`
        : `${moving(transition.kind, title)} Yours has stopped, the new one is starting.`;
    case 'completed':
      return transition.kind === 'solve'
        ? `Your machine now has “${title}” solved.`
        : `Your machine is now at “${title}”.`;
    case 'failed':
      return (
        `Your machine was not moved to “${title}”${because(transition.reason)} ` +
        'Everything is as it was.'
      );
    case 'cancelled':
      return `The move to “${title}” was withdrawn. Everything is as it was.`;
    default:
      return transition.status satisfies never;
  }
}

function moving(kind: TransitionKind, title: string): string {
  switch (kind) {
    case 'go':
      return `Your machine is moving to “${title}”.`;
    case 'reset':
      return `Your machine is starting “${title}” over.`;
    case 'solve':
      return `“${title}” is being solved on your machine.`;
    default:
      return kind satisfies never;
  }
}

function because(reason: string | undefined): string {
  const text = reason?.trim();
  if (!text) return '.';
  return `: ${text}${/[.!?…]$/.test(text) ? '' : '.'}`;
}

/** The question before a transition. */
export interface Question {
  title: string;
  text: string[];
  confirm: string;
  /** The safe answer; by default “Keep it as it is”. */
  decline?: string;
}

/** What is asked before a student sees the solution. */
export const SOLUTION_QUESTION: Question = {
  title: 'Show the whole solution?',
  text: [
    'You learn more when you try the hints first.',
    'That you looked at the solution is kept with your session.',
  ],
  confirm: 'Show the solution',
  decline: 'Not yet',
};

/** What is asked before the machine is touched. */
export function transitionQuestion(kind: TransitionKind, title: string): Question {
  const kept =
    'Your shell is replaced: programs running in it end. The files you have now are put aside, ' +
    'not deleted, and your progress is kept.';
  switch (kind) {
    case 'go':
      return {
        title: `Move your machine to “${title}”?`,
        text: ['The machine gets the files and settings this step starts with.', kept],
        confirm: 'Move my machine',
      };
    case 'reset':
      return {
        title: `Start “${title}” over?`,
        text: ['The machine goes back to how this step began.', kept],
        confirm: 'Start this step over',
      };
    case 'solve':
      return {
        title: `Solve “${title}” on your machine?`,
        text: [
          'The machine gets this step’s finished state. You learn more by trying first: the hints ' +
            'uncover one by one.',
          kept,
        ],
        confirm: 'Solve it for me',
      };
    default:
      return kind satisfies never;
  }
}

/** A step's checks in one line. */
export function checksSentence(
  step: StepSummary,
  report: Report | undefined,
  summary: CheckSummary | undefined,
): string {
  const last = report ?? summary;
  if (!last) return 'Not checked yet.';
  switch (last.outcome) {
    case 'passed':
      return last.counts.total === 1 ? 'The check passes.' : 'All checks pass.';
    case 'failed': {
      const before = step.completed ? 'You completed this step. Right now, ' : '';
      const sentence = `${before}${countSentence(last.counts)}`;
      return sentence.charAt(0).toUpperCase() + sentence.slice(1);
    }
    case 'error':
      return 'The checks could not run. That is not your doing.';
    default:
      return last.outcome satisfies never;
  }
}

function countSentence({ total, passed, skipped }: CheckCounts): string {
  const run = total - skipped;
  if (run === 1) return 'the check does not pass yet.';
  if (passed === 0) return `none of ${run} checks passes yet.`;
  return `${passed} of ${run} checks ${passed === 1 ? 'passes' : 'pass'}.`;
}

/** When checks run. */
export function autoSentence(available: boolean, step: StepSummary, report?: Report): string {
  if (report?.autoPaused)
    return 'These checks take a while, so they only run when you press the button.';
  if (available && step.autoValidate) return 'Checks run by themselves after every command.';
  return 'Checks run when you press the button.';
}

/** A time as the student's clock shows it; empty for what is no time. */
export function clockTime(timestamp: string, locale?: string): string {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return '';
  return date.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' });
}

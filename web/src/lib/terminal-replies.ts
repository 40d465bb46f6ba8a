// What a terminal answers by itself when a program asks it something.

// Device attributes, status and cursor reports, modes, window size, DCS and OSC answers, focus.
// prettier-ignore
const REPLY = // eslint-disable-next-line no-control-regex -- control characters are the point
  /^(?:\x1b\[[?>=]?[\d;]*c|\x1b\[[?\d;]*[nR]|\x1b\[\??[\d;]*\$y|\x1b\[[\d;]*t|\x1b[P\]_].*(?:\x1b\\|\x07)|\x1b\[[IO])$/s;
// eslint-disable-next-line no-control-regex -- F3 with Shift, Alt or Ctrl looks like a cursor report
const MODIFIED_F3 = /^\x1b\[1;[2-8]R$/;

/**
 * Whether the terminal itself, not the student, made this input. With several pages on one terminal
 * only one may answer a program, and nobody may answer output that is shown a second time.
 */
export function isReply(input: string): boolean {
  return REPLY.test(input) && !MODIFIED_F3.test(input);
}

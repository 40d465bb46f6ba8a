// The stream of one answer: server-sent events in the body of a POST.

import type { HelpDone, HelpFailed, HelpToken } from './protocol';

export type AnswerMessage =
  | { event: 'token'; data: HelpToken }
  | { event: 'reset' }
  | { event: 'done'; data: HelpDone }
  | { event: 'error'; data: HelpFailed };

/** The messages in `body`, as they come; what is no message of ours is left out. */
export async function* answerMessages(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<AnswerMessage> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const message = parseBlock(block);
        if (message) yield message;
      }
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

function parseBlock(block: string): AnswerMessage | null {
  let event = '';
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith('event:')) event = line.slice(6).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
  }
  switch (event) {
    case 'token':
      return { event, data: JSON.parse(data.join('\n')) as HelpToken };
    case 'reset':
      return { event };
    case 'done':
      return { event, data: JSON.parse(data.join('\n')) as HelpDone };
    case 'error':
      return { event, data: JSON.parse(data.join('\n')) as HelpFailed };
    default:
      return null; // a comment that keeps the connection, or a message of a newer daemon
  }
}

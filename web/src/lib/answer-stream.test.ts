import { describe, expect, it } from 'vitest';
import { answerMessages, type AnswerMessage } from './answer-stream';

async function messages(...pieces: (string | Uint8Array)[]): Promise<AnswerMessage[]> {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces)
        controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
      controller.close();
    },
  });
  const found: AnswerMessage[] = [];
  for await (const message of answerMessages(body)) found.push(message);
  return found;
}

describe('the stream of an answer', () => {
  it('gives messages in order', async () => {
    const stream =
      'event: token\ndata: {"text":"a"}\n\nevent: reset\ndata: {}\n\nevent: token\ndata: {"text":"b"}\n\n';
    expect(await messages(stream)).toEqual([
      { event: 'token', data: { text: 'a' } },
      { event: 'reset' },
      { event: 'token', data: { text: 'b' } },
    ]);
  });

  it('waits for the end of a message, whatever the pieces', async () => {
    const bytes = new TextEncoder().encode('event: token\r\ndata: {"text":"é😀"}\r\n\r\n');
    const pieces = [...bytes].map((byte) => new Uint8Array([byte]));
    expect(await messages(...pieces)).toEqual([{ event: 'token', data: { text: 'é😀' } }]);
  });

  it('leaves out comments and what it does not know', async () => {
    expect(await messages(': still here\n\n', 'event: mood\ndata: {}\n\n')).toEqual([]);
  });

  it('leaves out a message that is cut off', async () => {
    expect(await messages('event: token\ndata: {"te')).toEqual([]);
  });
});

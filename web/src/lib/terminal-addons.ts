// What a terminal can do without, fetched beside it: right widths, and drawing by a graphics card.

import type { Terminal } from '@xterm/xterm';

/** Measures emoji and other graphemes as a whole; without it they are as wide as they used to be. */
export async function loadWidths(terminal: Terminal, signal: AbortSignal): Promise<void> {
  try {
    const { UnicodeGraphemesAddon } = await import('@xterm/addon-unicode-graphemes');
    if (!signal.aborted) terminal.loadAddon(new UnicodeGraphemesAddon());
  } catch {
    // Not fetched: emoji may be measured as older terminals do.
  }
}

/** Draws with the graphics card where there is one; xterm's own drawing is the fallback. */
export async function loadGpu(terminal: Terminal, signal: AbortSignal): Promise<void> {
  if (!hasGraphicsCard()) return;
  try {
    const { WebglAddon } = await import('@xterm/addon-webgl');
    if (signal.aborted) return;
    const gpu = new WebglAddon();
    gpu.onContextLoss(() => gpu.dispose());
    terminal.loadAddon(gpu);
  } catch {
    // Not fetched or refused by the driver.
  }
}

/** Whether there is a graphics card: WebGL drawn by the processor is slower than the fallback. */
function hasGraphicsCard(): boolean {
  const context = document.createElement('canvas').getContext('webgl2');
  if (context === null) return false;
  const named = context.getExtension('WEBGL_debug_renderer_info');
  const renderer: unknown = context.getParameter(
    named?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER,
  );
  context.getExtension('WEBGL_lose_context')?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(String(renderer));
}

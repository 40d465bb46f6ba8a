// Mermaid diagrams as pictures. The library is loaded by the first text that has a diagram.
//
// A diagram is drawn by mermaid in strict mode and then shown in an <img>, where a browser runs no
// script, follows no link and loads nothing: whatever an author writes stays a picture.

import type { Theme } from './theme';

/** A diagram as an SVG file's text and its size in CSS pixels. */
export interface Diagram {
  svg: string;
  width: number;
  height: number;
}

let drawn = 0; // mermaid wants ids of its own

/** Draws `source`; raises when it is no diagram. */
export async function drawDiagram(source: string, theme: Theme): Promise<Diagram> {
  const { default: mermaid } = await import('mermaid');
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: 'strict',
    theme: theme === 'dark' ? 'dark' : 'neutral',
    htmlLabels: false,
    flowchart: { htmlLabels: false },
    fontFamily: 'system-ui, sans-serif',
    suppressErrorRendering: true,
    // What a text may not change from inside.
    secure: ['secure', 'securityLevel', 'startOnLoad', 'htmlLabels', 'themeCSS', 'fontFamily'],
  });
  drawn += 1;
  const { svg } = await mermaid.render(`diagram-${drawn}`, source);
  return sized(svg);
}

/** An SVG in an <img> needs a size of its own: the one of its view box. */
export function sized(svg: string): Diagram {
  const box =
    /viewBox="([^"]*)"/
      .exec(svg)?.[1]
      ?.trim()
      .split(/[\s,]+/)
      .map(Number) ?? [];
  const width = positive(box[2], 600);
  const height = positive(box[3], 400);
  const tag = /<svg[^>]*>/.exec(svg)?.[0] ?? '';
  const bare = tag.replace(/\s(?:width|height)="[^"]*"/g, '');
  const fixed = bare.replace('<svg', `<svg width="${width}" height="${height}"`);
  return { svg: svg.replace(tag, fixed), width, height };
}

function positive(value: number | undefined, otherwise: number): number {
  return value !== undefined && Number.isFinite(value) && value > 0 ? Math.ceil(value) : otherwise;
}

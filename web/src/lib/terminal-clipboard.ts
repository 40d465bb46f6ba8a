// The clipboard: what the student copies, and what a program may (OSC 52: copy to it, never read it).

const COPY_CHARACTERS = 100_000;

/**
 * The text that `Pc;Pd` of an OSC 52 sequence copies, or null when it asks to read, clears, is no
 * Base64 of UTF-8 text, or is longer than anybody copies by hand.
 */
export function copiedText(parameters: string): string | null {
  const separator = parameters.indexOf(';');
  const encoded = parameters.slice(separator + 1);
  if (separator < 0 || encoded === '' || encoded === '?') return null;
  if (encoded.length > COPY_CHARACTERS * 2) return null;
  try {
    const bytes = Uint8Array.from(atob(encoded), (each) => each.charCodeAt(0));
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text === '' || text.length > COPY_CHARACTERS ? null : text;
  } catch {
    return null;
  }
}

/** Copies text; pages without a secure origin have no clipboard API, only the old command. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const area = document.createElement('textarea');
    area.value = text;
    area.style.cssText = 'position:fixed;opacity:0';
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return copied;
  }
}

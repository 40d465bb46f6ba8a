// Addresses that programs print, and what the page does with them.

const LENGTH = 2048;

/** The address when a browser may open it, else null: only http and https, no credentials. */
export function openableAddress(text: string): string | null {
  if (text.length > LENGTH) return null;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null;
  // `https://bank.example@evil.example/` reads as the wrong site.
  if (url.username !== '' || url.password !== '') return null;
  return url.href;
}

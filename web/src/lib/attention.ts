// A raised hand draws the instructor's attention once: a badge, and a sound if that is wanted.

/** Rings and badges; `hand` is called whenever a hand may have been raised or lowered. */
export interface AttentionBell {
  hand(since: string | null, audible: boolean): void;
  ring(): void;
}

const NOTES = [
  { hertz: 660, at: 0 },
  { hertz: 880, at: 0.14 },
];
const NOTE_SECONDS = 0.35;

/** The bell of this page. A hand that was up when the page opened does not ring. */
export function attention(play: () => void = playNotes): AttentionBell {
  let known: string | null | undefined;
  return {
    hand(since, audible) {
      const isNew = since !== null && since !== known && known !== undefined;
      known = since;
      badge(since !== null);
      if (isNew && audible) play();
    },
    ring: play,
  };
}

function badge(raised: boolean): void {
  if (!('setAppBadge' in navigator)) return;
  // Refused where the page is no installed application: the title says it as well.
  void (raised ? navigator.setAppBadge(1) : navigator.clearAppBadge()).catch(() => undefined);
}

function playNotes(): void {
  const audio = new AudioContext();
  for (const { hertz, at } of NOTES) {
    const begin = audio.currentTime + at;
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0.18, begin);
    loudness.gain.exponentialRampToValueAtTime(0.001, begin + NOTE_SECONDS);
    tone.connect(loudness).connect(audio.destination);
    tone.start(begin);
    tone.stop(begin + NOTE_SECONDS);
  }
  setTimeout(() => void audio.close(), 1000);
}

/** Sound, made of oscillators and noise: no files, and silence where there is no audio. */

import { recall, remember } from "./dom.js";

/** @typedef {"shot" | "heavy" | "bounce" | "spark" | "hit" | "hurt" | "wreck" | "pickup" | "spawn" | "count" | "end" | "kill"} Effect */

/** Sounds at once; more are a roar in which none is told apart. */
const VOICES_MAX = 24;
const MUTED = "muted";

export class Sound {
  muted = recall(MUTED) === "yes";
  /** @type {AudioContext | null} */
  #audio = null;
  /** @type {GainNode | null} */
  #out = null;
  /** @type {AudioBuffer | null} */
  #noise = null;
  /** @type {{ tone: OscillatorNode, gain: GainNode } | null} */
  #engine = null;
  #voices = 0;

  /** Called when the player does something: browsers let no page sound before. */
  wake() {
    if (this.#audio?.state === "closed") this.#audio = null;
    if (!this.#audio) this.#open();
    else if (this.#audio.state !== "running") void this.#audio.resume().catch(() => {});
  }

  /** Silences what goes on while the page is not seen. */
  sleep() {
    void this.#audio?.suspend().catch(() => {});
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.muted = muted;
    remember(MUTED, muted ? "yes" : "no");
    this.#level();
  }

  /**
   * @param {Effect} effect
   * @param {number} [loud] 0 to 1
   * @param {number} [side] -1 left to 1 right
   */
  play(effect, loud = 1, side = 0) {
    const audio = this.#audio;
    if (!audio || this.muted || audio.state !== "running" || loud < 0.02) return;
    if (this.#voices >= VOICES_MAX) return;
    const out = audio.createGain();
    out.gain.value = loud;
    const pan = audio.createStereoPanner();
    pan.pan.value = Math.max(-0.8, Math.min(0.8, side));
    out.connect(pan).connect(/** @type {GainNode} */ (this.#out));
    this.#voices++;
    const seconds = this.#compose(effect, out);
    setTimeout(
      () => {
        this.#voices--;
        pan.disconnect();
      },
      seconds * 1000 + 100,
    );
  }

  /** The own engine. @param {number} pace 0 to 1 */
  drive(pace) {
    const { currentTime: now } = this.#audio ?? { currentTime: 0 };
    this.#engine?.gain.gain.setTargetAtTime(0.02 + 0.05 * pace, now, 0.08);
    this.#engine?.tone.frequency.setTargetAtTime(42 + 34 * pace, now, 0.1);
  }

  hush() {
    this.#engine?.gain.gain.setTargetAtTime(0, this.#audio?.currentTime ?? 0, 0.05);
  }

  #open() {
    try {
      const audio = new AudioContext({ latencyHint: "interactive" });
      const squeeze = audio.createDynamicsCompressor();
      this.#out = audio.createGain();
      this.#out.connect(squeeze).connect(audio.destination);
      this.#noise = audio.createBuffer(1, audio.sampleRate, audio.sampleRate);
      const samples = this.#noise.getChannelData(0);
      for (let i = 0; i < samples.length; i++) samples[i] = Math.random() * 2 - 1;
      this.#audio = audio;
      this.#engine = engine(audio, this.#out);
      this.#level();
      void audio.resume().catch(() => {});
    } catch {
      // No device, or a policy against it: the game is played in silence.
      this.#audio = null;
    }
  }

  #level() {
    this.#out?.gain.setTargetAtTime(this.muted ? 0 : 0.5, this.#audio?.currentTime ?? 0, 0.02);
  }

  /**
   * @param {Effect} effect
   * @param {GainNode} out
   * @returns {number} how long it sounds, in seconds
   */
  #compose(effect, out) {
    switch (effect) {
      case "shot":
        this.#tone(out, "triangle", 210, 48, 0.16, 0.8);
        return this.#hiss(out, 1900, 0.12, 0.7);
      case "heavy":
        this.#tone(out, "triangle", 150, 32, 0.3, 1);
        return this.#hiss(out, 900, 0.26, 0.9);
      case "bounce":
        return this.#tone(out, "square", 1500, 900, 0.07, 0.16);
      case "spark":
        return this.#hiss(out, 3600, 0.08, 0.35);
      case "hit":
        this.#tone(out, "square", 420, 160, 0.09, 0.25);
        return this.#hiss(out, 2600, 0.1, 0.5);
      case "hurt":
        this.#tone(out, "sawtooth", 180, 60, 0.22, 0.5);
        return this.#hiss(out, 1200, 0.2, 0.8);
      case "wreck":
        this.#tone(out, "sine", 120, 28, 0.7, 1);
        return this.#hiss(out, 620, 0.75, 1);
      case "kill":
        return this.#tune(out, [660, 990]);
      case "pickup":
        return this.#tune(out, [520, 780, 1040]);
      case "spawn":
        return this.#tune(out, [390, 520]);
      case "count":
        return this.#tone(out, "sine", 880, 880, 0.09, 0.4);
      case "end":
        return this.#tune(out, [523, 659, 784, 1047]);
    }
  }

  /**
   * @param {GainNode} out @param {OscillatorType} type @param {number} from hertz
   * @param {number} to @param {number} seconds @param {number} loud @param {number} [wait]
   */
  #tone(out, type, from, to, seconds, loud, wait = 0) {
    const audio = /** @type {AudioContext} */ (this.#audio);
    const start = audio.currentTime + wait;
    const tone = audio.createOscillator();
    tone.type = type;
    tone.frequency.setValueAtTime(from, start);
    tone.frequency.exponentialRampToValueAtTime(to, start + seconds);
    tone.connect(fading(audio, start, seconds, loud)).connect(out);
    tone.start(start);
    tone.stop(start + seconds);
    return wait + seconds;
  }

  /** @param {GainNode} out @param {number} pitch @param {number} seconds @param {number} loud */
  #hiss(out, pitch, seconds, loud) {
    const audio = /** @type {AudioContext} */ (this.#audio);
    const start = audio.currentTime;
    const hiss = audio.createBufferSource();
    hiss.buffer = this.#noise;
    const filter = audio.createBiquadFilter();
    filter.type = "lowpass";
    filter.frequency.setValueAtTime(pitch, start);
    filter.frequency.exponentialRampToValueAtTime(pitch / 6, start + seconds);
    hiss
      .connect(filter)
      .connect(fading(audio, start, seconds, loud))
      .connect(out);
    hiss.start(start, Math.random() * 0.2);
    hiss.stop(start + seconds);
    return seconds;
  }

  /** @param {GainNode} out @param {number[]} pitches */
  #tune(out, pitches) {
    let end = 0;
    pitches.forEach((pitch, i) => {
      end = this.#tone(out, "triangle", pitch, pitch, 0.16, 0.4, i * 0.09);
    });
    return end;
  }
}

/**
 * @param {AudioContext} audio
 * @param {number} start
 * @param {number} seconds
 * @param {number} loud
 */
function fading(audio, start, seconds, loud) {
  const gain = audio.createGain();
  gain.gain.setValueAtTime(loud, start);
  gain.gain.exponentialRampToValueAtTime(0.001, start + seconds);
  return gain;
}

/**
 * @param {AudioContext} audio
 * @param {GainNode} out
 */
function engine(audio, out) {
  const tone = audio.createOscillator();
  const gain = audio.createGain();
  const filter = audio.createBiquadFilter();
  tone.type = "sawtooth";
  tone.frequency.value = 42;
  filter.type = "lowpass";
  filter.frequency.value = 240;
  gain.gain.value = 0;
  tone.connect(filter).connect(gain).connect(out);
  tone.start();
  return { tone, gain };
}

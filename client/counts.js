/** The counts: how a session's connection fares, as `room.stats` shows it. */

export class Counts {
  frames = 0;
  frames_skipped = 0;
  bytes = 0;
  bytes_per_s = 0;
  resumes = 0;
  divergence = 0;
  gap_ms_max = 0;
  /** When the newest frame came. */
  heard = 0;
  /** When the second that is counted began, and with how many bytes. */
  #second = { since: 0, bytes: 0 };

  /**
   * A frame that was applied.
   * @param {number} missed frames that were left out before it
   * @param {number} now milliseconds
   * @param {number} [quiet_ms] in which nothing happened, so that none was due
   */
  frame(missed, now, quiet_ms = 0) {
    const gap_ms = now - this.heard - quiet_ms;
    if (this.frames++) this.gap_ms_max = Math.max(this.gap_ms_max, gap_ms);
    this.heard = now;
    this.frames_skipped += missed;
    const { since, bytes } = this.#second;
    if (now - since < 1000) return;
    this.bytes_per_s = since ? Math.round(((this.bytes - bytes) * 1000) / (now - since)) : 0;
    this.#second = { since: now, bytes: this.bytes };
  }
}

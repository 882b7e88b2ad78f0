/** The camera: which part of the arena is seen, and how large. */

/** Units along the middle of the view's sides: everybody sees about as much, whatever the screen. */
const SPAN = 27;
/** Units around the arena when all of it is shown. */
const MARGIN = 3;
const FOLLOW_MS = 110;
const ZOOM_MS = 300;
/** Farther away than this, the camera cuts instead of travelling. */
const CUT = 26;
/** The part of the way to the pointer by which the view leads. */
const LEAD = 0.16;
/** The part of the view by which its middle keeps off the border: corners lie under the panels. */
const INNER = 0.2;

export class Camera {
  x = 0;
  y = 0;
  /** Pixels of a unit. */
  scale = 20;
  width = 1;
  height = 1;
  #shake = 0;
  #fresh = true;
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  /**
   * @param {number} width in CSS pixels
   * @param {number} height
   */
  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.#fresh = true;
  }

  /** @param {number} strength in units */
  shake(strength) {
    if (!this.#calm.matches) this.#shake = Math.min(0.7, this.#shake + strength);
  }

  /**
   * Follows a place, led by where the player points.
   * @param {{ x: number, y: number }} place
   * @param {{ x: number, y: number } | null} pointer on the stage
   * @param {{ width: number, height: number }} ground in units
   * @param {number} passed milliseconds
   */
  follow(place, pointer, ground, passed) {
    const scale = Math.sqrt(this.width * this.height) / SPAN;
    const lead = pointer && !this.#calm.matches ? LEAD / scale : 0;
    const x = place.x + (pointer ? (pointer.x - this.width / 2) * lead : 0);
    const y = place.y + (pointer ? (pointer.y - this.height / 2) * lead : 0);
    const acrossMax = Math.max(0, ground.width / 2 - (INNER * this.width) / scale);
    const downMax = Math.max(0, ground.height / 2 - (INNER * this.height) / scale);
    this.#go(clamp(x, acrossMax), clamp(y, downMax), scale, passed);
  }

  /**
   * Shows all of the ground.
   * @param {{ width: number, height: number }} ground in units
   * @param {number} passed milliseconds
   */
  whole({ width, height }, passed) {
    const across = this.width / (width + 2 * MARGIN);
    this.#go(0, 0, Math.min(across, this.height / (height + 2 * MARGIN)), passed);
  }

  /** @param {number} x @returns {number} pixels from the stage's left */
  toX(x) {
    return (x - this.x) * this.scale + this.width / 2;
  }

  /** @param {number} y @returns {number} pixels from the stage's top */
  toY(y) {
    return (y - this.y) * this.scale + this.height / 2;
  }

  /**
   * The angle from a place to a point of the stage.
   * @param {{ x: number, y: number }} place
   * @param {number} x pixels
   * @param {number} y pixels
   */
  angle(place, x, y) {
    return Math.atan2(y - this.toY(place.y), x - this.toX(place.x));
  }

  /**
   * Whether a circle is in view.
   * @param {number} x
   * @param {number} y
   * @param {number} radius
   */
  sees(x, y, radius) {
    const across = this.width / 2 / this.scale + radius;
    const down = this.height / 2 / this.scale + radius;
    return Math.abs(x - this.x) < across && Math.abs(y - this.y) < down;
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} scale
   * @param {number} passed
   */
  #go(x, y, scale, passed) {
    const cut = this.#fresh || Math.hypot(x - this.x, y - this.y) > CUT;
    const part = cut ? 1 : 1 - Math.exp(-passed / FOLLOW_MS);
    const zoom = this.#fresh ? 1 : 1 - Math.exp(-passed / ZOOM_MS);
    this.#fresh = false;
    this.x += (x - this.x) * part;
    this.y += (y - this.y) * part;
    this.scale += (scale - this.scale) * zoom;
    this.#shake *= Math.exp(-passed / 120);
  }

  /** How far the picture trembles now, in units. */
  get tremble() {
    const far = this.#shake;
    return far < 0.01 ? [0, 0] : [(Math.random() - 0.5) * far, (Math.random() - 0.5) * far];
  }
}

/** @param {number} value @param {number} most */
function clamp(value, most) {
  return Math.max(-most, Math.min(most, value));
}

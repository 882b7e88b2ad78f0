/** The page: from its address into a room, what the browser does to it meanwhile, and out again. */

import { SessionEnded, join } from "../../../client/index.js";
import { Camera } from "./camera.js";
import { Controls } from "./input/controls.js";
import { Effects } from "./effects.js";
import { Ground } from "./ground.js";
import { Play } from "./play.js";
import { Sound } from "./sound.js";
import { Stage } from "./stage.js";
import { Start } from "./start.js";
import { Veil } from "./veil.js";
import { byId, say } from "./dom.js";
import { anew, invitation, problem, read, write } from "./address.js";

/** @typedef {import("./address.js").Asked} Asked */
/** @typedef {import("../../../client/index.js").Room} Room */

const GAME = "arena";
const TAKEN = 4409;
const COPIED_MS = 1600;

class Page {
  camera = new Camera();
  ground = new Ground();
  effects = new Effects();
  sound = new Sound();
  veil = new Veil();
  /** @type {Play | null} */
  play = null;
  #asked = read(location.search);
  #start = new Start((asked) => void this.enter(asked));
  #away = false;

  constructor() {
    const canvas = /** @type {HTMLCanvasElement} */ (byId("stage"));
    this.stage = new Stage(canvas, this.camera, this.ground, this.effects);
    this.controls = new Controls(canvas, byId("left-stick"), byId("right-stick"), () =>
      this.#used(),
    );
    document.addEventListener("visibilitychange", () => this.#seen(!document.hidden));
    addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("pointerdown", () => {
      this.#used();
      if (this.play && !this.play.room.player) this.play.follow(1);
    });
    // A button that was clicked gives the keyboard back: else Space would press it, not fire.
    byId("hud").addEventListener("click", ({ detail, target }) => {
      if (detail && target instanceof HTMLElement) target.closest("button")?.blur();
    });
    byId("mute").addEventListener("click", () => this.#mute(!this.sound.muted));
    byId("leave").addEventListener("click", () => this.leave());
    byId("board-button").addEventListener("click", () =>
      this.play?.board.show(!this.play.board.open),
    );
    byId("invite").addEventListener("click", () => void this.#invite());
    this.#mute(this.sound.muted);
  }

  /** Joins at once when the address says everything, and asks otherwise. */
  open() {
    const wrong = problem(location.search);
    if (this.#asked.complete && !wrong) void this.enter(this.#asked);
    else this.#start.show(this.#asked, wrong);
  }

  /** @param {Asked} asked */
  async enter(asked) {
    this.#asked = asked;
    this.#start.hide();
    const { name, role, room, options } = asked;
    const lobby = { text: "To the lobby", act: () => this.leave() };
    const waiting = (/** @type {string} */ what) => this.veil.show("Joining", what, [lobby]);
    try {
      // A room in the address may be a reload: then the seat this tab still has is taken up.
      const joined = await join(GAME, { name, role, options, room, fresh: !room, waiting });
      history.replaceState(null, "", write(asked, joined.id));
      this.#begin(joined);
    } catch (error) {
      this.veil.hide();
      const reason = error instanceof SessionEnded ? error.reason : String(error);
      const gone = room ? { ...asked, room: "" } : asked;
      this.#start.show(gone, `The server said: ${reason}`);
    }
  }

  leave() {
    this.play?.room.leave();
    location.assign("/");
  }

  /** @param {Room} room */
  #begin(room) {
    this.effects.clear();
    this.play = new Play(room, this);
    document.body.classList.add("playing");
    document.body.classList.toggle("watching", room.player === 0);
    byId("hud").hidden = false;
    for (const what of /** @type {const} */ (["state", "status"])) {
      room.on(what, () => this.#changed(room));
    }
    this.#changed(room);
    const frame = (/** @type {number} */ now) => {
      if (this.play?.room !== room) return;
      this.play.draw(now);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** @param {Room} room */
  #changed(room) {
    const { reason } = room;
    const lobby = { text: "To the lobby", act: () => this.leave() };
    this.controls.held = this.#away || !["live", "polling"].includes(room.state);
    if (reason?.code === TAKEN) {
      this.veil.show("Playing in another tab", "Another page took this seat.", [
        { text: "Take it back", act: () => room.takeBack() },
        lobby,
      ]);
    } else if (reason) {
      // A page loaded anew holds nothing of the room that is gone.
      const again = { text: "Join again", act: () => location.assign(anew(this.#asked)) };
      this.veil.show("The session ended", `${reason.reason} (${reason.code})`, [again, lobby]);
    } else if (room.state === "resuming") {
      this.veil.show("Reconnecting", "Your tank and your score are kept.", [], true);
    } else if (room.status === "paused") {
      this.veil.show("Paused by the server", "The match stands still, and will go on from here.");
    } else if (this.#away) {
      this.veil.show("Paused", "Your tank held still. Press a key or tap to go on.");
    } else this.veil.hide();
  }

  /** The page is looked at again, or no longer. @param {boolean} seen */
  #seen(seen) {
    if (!this.play) return;
    this.controls.release();
    if (seen) return;
    this.#away = this.play.room.player !== 0;
    this.sound.sleep();
    this.#changed(this.play.room);
  }

  /** The player does something. */
  #used() {
    this.sound.wake();
    document.body.classList.toggle("touched", this.controls.device === "touch");
    if (!this.#away || document.hidden) return;
    this.#away = false;
    if (this.play) this.#changed(this.play.room);
  }

  /** @param {KeyboardEvent} event */
  #key({ code, target, ctrlKey, metaKey }) {
    const { play } = this;
    if (!play || ctrlKey || metaKey || target instanceof HTMLInputElement) return;
    this.#used();
    if (code === "KeyM") this.#mute(!this.sound.muted);
    else if (code === "KeyN") play.net.toggle();
    else if (code === "Escape") toggleButtons();
    else if (play.room.player) return;
    else if (code === "ArrowRight" || code === "KeyD") play.follow(1);
    else if (code === "ArrowLeft" || code === "KeyA") play.follow(-1);
  }

  /** @param {boolean} muted */
  #mute(muted) {
    this.sound.mute(muted);
    say(byId("mute"), muted ? "Sound off" : "Sound on");
  }

  async #invite() {
    const link = invitation(this.play?.room.id ?? "");
    try {
      await navigator.clipboard.writeText(link);
      say(byId("invite"), "Copied");
      setTimeout(() => say(byId("invite"), "Copy link"), COPIED_MS);
    } catch {
      // Pages that came over plain HTTP from another machine have no clipboard.
      prompt("Copy this link:", link);
    }
  }
}

/** Tab shows the scores, so another key leads to the buttons, and back from them. */
function toggleButtons() {
  const { activeElement: focused } = document;
  if (focused instanceof HTMLElement && focused !== document.body) focused.blur();
  else byId("leave").focus();
}

/** The page, for whoever looks at it from the console. */
export const page = new Page();
page.open();

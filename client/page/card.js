/** A game's card: what it is, and a room of it as one wants it. */

import { readFields } from "../fields.js";
import { make } from "./dom.js";
import { form } from "./form.js";

/** @typedef {import("./lobby.js").GameInfo} GameInfo */
/** @typedef {import("./lobby.js").Choice} Choice */

const BOTS_MAX = 64;

/**
 * @param {GameInfo} game
 * @param {(choice: Choice) => void} play
 */
export function gameCard(game, play) {
  const options = roomForm(game);
  const choose = (/** @type {"player" | "spectator"} */ role, plain = !game.web) =>
    play({ game, role, plain, options: options.read() });
  const buttons = make(
    "div",
    { className: "row" },
    button("Play", () => choose("player"), "main"),
    button("Watch", () => choose("spectator")),
  );
  if (game.web) buttons.append(button("Plain view", () => choose("player", true), "plain"));
  return make(
    "article",
    { className: "game", "data-game": game.name, "aria-label": game.title },
    make("div", {}, make("h3", {}, game.title), make("p", {}, description(game))),
    make(
      "p",
      { className: "facts" },
      make("span", {}, game.seats === 1 ? "one player" : `up to ${game.seats} players`),
      make("span", {}, `${game.tick_rate} ticks a second`),
    ),
    make("details", {}, make("summary", {}, "Room options"), options.element),
    buttons,
  );
}

/**
 * @param {string} text
 * @param {() => void} act
 * @param {string} [className]
 */
export function button(text, act, className = "") {
  const made = make("button", { type: "button", className }, text);
  made.addEventListener("click", act);
  return made;
}

/**
 * The game's own options, and those of every room.
 * @param {GameInfo} game
 */
function roomForm(game) {
  const most = Math.min(BOTS_MAX, game.seats);
  const bots = make("input", {
    id: `bots-${game.name}`,
    type: "number",
    min: "0",
    max: String(most),
    value: String(Math.min(game.bots, most)),
  });
  const secret = make("input", { id: `private-${game.name}`, type: "checkbox" });
  const own = form(readFields(game.options));
  own.element.append(
    make("div", {}, make("label", { for: bots.id }, "Bots"), bots),
    make("label", { className: "check", for: secret.id }, secret, "Private, by link only"),
  );
  const read = () => {
    const count = Math.max(0, Math.min(most, Math.trunc(Number(bots.value)) || 0));
    return { ...own.read(), bots: count, ...(secret.checked ? { private: true } : {}) };
  };
  return { element: own.element, read };
}

/**
 * What a game says of itself; its title stands above already.
 * @param {GameInfo} game
 */
export function description({ title, description: text }) {
  const rest = text.startsWith(`${title}: `) ? text.slice(title.length + 2) : text;
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

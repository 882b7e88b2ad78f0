/** Elements made without markup: text from outside stays text. */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new TypeError(`the page has no element #${id}`);
  return element;
}

/**
 * An element with properties and children; `data-…`, `aria-…`, `role` and `for` are attributes.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (/^(data-|aria-|role$|for$)/.test(name)) element.setAttribute(name, String(value));
    else Reflect.set(element, name, value);
  }
  element.append(...children);
  return element;
}

/**
 * A field's or table's name as a person would write it: `max_speed` and `maxSpeed` become "Max
 * speed".
 * @param {string} name
 */
export function title(name) {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, "$1 $2")
    .replaceAll("_", " ")
    .trim()
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * Copies what an input holds. Pages that came over plain HTTP from another machine have no
 * clipboard; what they have is the older command, and else the text selected, ready for the keys.
 * @param {HTMLInputElement} input
 * @param {HTMLElement} button says that it was done
 */
export async function copy(input, button) {
  const label = button.textContent;
  input.select();
  const copied = navigator.clipboard
    ? await navigator.clipboard.writeText(input.value).then(
        () => true,
        () => false,
      )
    : document.execCommand("copy");
  button.textContent = copied ? "Copied" : "Press Ctrl+C";
  setTimeout(() => (button.textContent = label), 1500);
}

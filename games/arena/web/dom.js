/** Elements found and made without markup: text from outside stays text. */

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
 * An element with classes and children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [classes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, classes = "", ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.append(...children);
  return element;
}

/**
 * Writes text only where it changed, so that nothing is laid out anew each frame.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A number from the browser's storage or null; storage may be forbidden.
 * @param {string} key
 */
export function recall(key) {
  try {
    return localStorage.getItem(`holdfast:arena:${key}`);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
export function remember(key, value) {
  try {
    localStorage.setItem(`holdfast:arena:${key}`, value);
  } catch {
    // Where storage is forbidden, the choice lasts as long as the page.
  }
}

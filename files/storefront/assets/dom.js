/** Making elements, and what is shown the same way everywhere. Text is only ever set as text. */

const RUPEES = new Intl.NumberFormat("en-IN", { style: "currency", currency: "INR", trailingZeroDisplay: "stripIfInteger" });

/**
 * Make an element.
 * @param {string} tag
 * @param {Object<string, unknown>} [props] attributes; `on…` are listeners, false and null are left out
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child || child === 0));
  return element;
}

/** @param {number} paise @returns {string} */
export const price = (paise) => RUPEES.format(paise / 100);

/** Say something to screen readers. @param {string} text */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/** @param {Error} error @param {() => void} [again] @returns {HTMLElement} */
export function problem(error, again) {
  return h("div", { class: "error", role: "alert" }, h("p", {}, error.message),
    again && h("button", { class: "plain", type: "button", onclick: again }, "Try again"));
}

/** @param {string} title @param {string} text @returns {HTMLElement} */
export function empty(title, text) {
  return h("div", { class: "empty" }, h("h1", {}, title), h("p", { class: "quiet" }, text),
    h("a", { class: "btn", href: "/" }, "Browse courses"));
}

/**
 * A labelled input.
 * @param {string} label @param {Object<string, unknown>} props of the input, with its id
 * @returns {HTMLElement}
 */
export function field(label, props) {
  return h("div", { class: "field" }, h("label", { for: props.id }, label), h("input", { name: props.id, ...props }));
}

/** @param {string} file @returns {HTMLElement} a picture beside its product's name, which says all */
export function picture(file) {
  return h("img", { src: `/pictures/${encodeURIComponent(file)}`, alt: "", width: 640, height: 400, loading: "lazy" });
}

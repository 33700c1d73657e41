/** Making elements, and what is shown the same way everywhere. Text is only ever set as text. */

const RUPEES = new Intl.NumberFormat("en-IN", { style: "currency", currency: "INR", trailingZeroDisplay: "stripIfInteger" });
const WHEN = new Intl.DateTimeFormat("en-IN", { dateStyle: "medium", timeStyle: "short" });
const TOAST_MS = 5000;

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

/** @param {string} time ISO 8601 @returns {string} */
export const when = (time) => WHEN.format(new Date(time));

/** Say something to screen readers. @param {string} text */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

let fading = 0;

/** Show something for a moment, and for as long as somebody is at it. @param {string} text @param {Node} [link] */
export function toast(text, link) {
  const place = document.getElementById("toast");
  place.replaceChildren(h("span", {}, text), link ?? "");
  place.hidden = false;
  announce(text);
  const fade = () => {
    clearTimeout(fading);
    fading = setTimeout(() => (place.matches(":hover, :focus-within") ? fade() : (place.hidden = true)), TOAST_MS);
  };
  fade();
}

/** @param {Error} error @param {() => void} [again] @returns {HTMLElement} */
export function problem(error, again) {
  return h("div", { class: "error", role: "alert" }, h("p", {}, error.message),
    again && h("button", { class: "plain", type: "button", onclick: again }, "Try again"));
}

/** @param {string} title @param {string} text @param {string} [tag] of the title @returns {HTMLElement} */
export function empty(title, text, tag = "h1") {
  return h("div", { class: "empty" }, h(tag, {}, title), h("p", { class: "quiet" }, text), h("a", { class: "btn", href: "/" }, "Browse courses"));
}

/**
 * A labelled input.
 * @param {string} label @param {Object<string, unknown>} props of the input, with its id
 * @param {string} [hint] what helps to fill it in
 * @returns {HTMLElement}
 */
export function field(label, props, hint) {
  const help = hint && `${props.id}-hint`;
  return h("div", { class: "field" }, h("label", { for: props.id }, label),
    h("input", { name: props.id, "aria-describedby": help, ...props }), hint && h("p", { class: "hint", id: help }, hint));
}

/** Say what is wrong at the field itself, to the eye and to who has it read out. @param {HTMLElement} input @param {string} message */
export function complain(input, message) {
  const id = `${input.id}-error`;
  input.closest(".field").append(h("p", { class: "error", role: "alert", id }, message));
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", [input.getAttribute("aria-describedby"), id].filter(Boolean).join(" "));
}

/** Take back what was said at a form's fields. @param {HTMLElement} form */
export function forgive(form) {
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    const id = `${input.id}-error`;
    document.getElementById(id)?.remove();
    input.removeAttribute("aria-invalid");
    const left = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((each) => each && each !== id).join(" ");
    if (left) input.setAttribute("aria-describedby", left);
    else input.removeAttribute("aria-describedby");
  }
}

/** @param {string} file @param {boolean} [soon] whether it is seen at once @returns {HTMLElement} a picture beside its product's name, which says all */
export function picture(file, soon = false) {
  return h("img", { src: `/pictures/${encodeURIComponent(file)}`, alt: "", width: 640, height: 400, loading: soon ? "eager" : "lazy" });
}

/** A line of a sum. @param {string} label @param {string} amount @param {string} [kind] @returns {HTMLElement} */
export function sum(label, amount, kind = "") {
  return h("p", { class: `sum ${kind}` }, h("span", {}, label), h("span", { class: "price" }, amount));
}

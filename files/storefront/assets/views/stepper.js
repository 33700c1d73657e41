/** A quantity with a button on either side. */

import { h } from "../dom.js";

const MOST = 99;

/**
 * @param {string} name of what is counted
 * @param {number} value @param {(value: number) => void} changed
 * @returns {HTMLElement}
 */
export function stepper(name, value, changed) {
  const set = (wanted) => {
    const next = Math.min(MOST, Math.max(1, Math.round(wanted) || value));
    input.value = String(next);
    if (next === value) return;
    value = next;
    less.disabled = value <= 1;
    changed(value);
  };
  const input = h("input", { type: "number", inputmode: "numeric", min: 1, max: MOST, value, "aria-label": `Quantity of ${name}`, onchange: () => set(Number(input.value)) });
  const less = h("button", { type: "button", class: "plain", disabled: value <= 1, "aria-label": `One less of ${name}`, onclick: () => set(value - 1) }, "−");
  const more = h("button", { type: "button", class: "plain", "aria-label": `One more of ${name}`, onclick: () => set(value + 1) }, "+");
  return h("div", { class: "stepper", role: "group", "aria-label": `Quantity of ${name}` }, less, input, more);
}

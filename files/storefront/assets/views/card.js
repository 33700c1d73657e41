/** The card: its fields, and what can be seen to be wrong without asking anybody. */

import { field, h } from "../dom.js";

const TEST_CARDS = [
  ["4242424242424242", "is paid"],
  ["4000000000000002", "is declined"],
  ["4000000000000119", "the bank takes too long"],
  ["4000000000003220", "the bank answers later"],
];

/** @param {string} text @returns {string} */
export const digits = (text) => text.replace(/\D/g, "");

const grouped = (text) => digits(text).slice(0, 19).replace(/(.{4})(?=.)/g, "$1 ");

/** @param {string} text @returns {boolean} whether it has 12 to 19 digits and the right last one (Luhn) */
export function looksRight(text) {
  const found = digits(text);
  const total = [...found].reverse().reduce((sum, digit, index) => {
    const value = Number(digit) * (index % 2 ? 2 : 1);
    return sum + (value > 9 ? value - 9 : value);
  }, 0);
  return found.length >= 12 && found.length <= 19 && total % 10 === 0;
}

/** @returns {{element: HTMLElement, read: () => {number: string, expiry?: string, cvc?: string}, number: HTMLInputElement}} */
export function cardFields() {
  const atEnd = (input, change) => {
    if (input.selectionStart === input.value.length) input.value = change(input.value);
  };
  const element = h("div", {},
    field("Card number", { id: "card-number", inputmode: "numeric", autocomplete: "cc-number", required: true, maxlength: 23, placeholder: "1234 1234 1234 1234",
      oninput: ({ target }) => atEnd(target, grouped) }),
    h("div", { class: "pair" },
      field("Expires", { id: "card-expiry", autocomplete: "cc-exp", placeholder: "MM / YY", maxlength: 7 }),
      field("Security code", { id: "card-cvc", inputmode: "numeric", autocomplete: "cc-csc", placeholder: "123", maxlength: 4 })),
    h("details", { class: "tests" }, h("summary", {}, "Cards to try the shop with"),
      h("ul", {}, ...TEST_CARDS.map(([number, what]) => h("li", {}, h("button", { type: "button", class: "link", onclick: () => {
        input("card-number").value = grouped(number);
        // as if it had been typed
        input("card-number").dispatchEvent(new Event("input", { bubbles: true }));
      } }, grouped(number)), ` ${what}`)))));
  const input = (id) => /** @type {HTMLInputElement} */ (element.querySelector(`#${id}`));
  return {
    element,
    number: input("card-number"),
    read: () => ({ number: digits(input("card-number").value), ...(input("card-expiry").value && { expiry: input("card-expiry").value }),
      ...(input("card-cvc").value && { cvc: input("card-cvc").value }) }),
  };
}

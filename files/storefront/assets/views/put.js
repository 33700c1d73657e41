/** The button that puts a product into the cart. */

import { add } from "../cart.js";
import { h, toast } from "../dom.js";

/** @param {{sku: string, name: string}} product @param {string} text @param {string} look its class @param {() => number} [quantity] @returns {HTMLElement} */
export function putter(product, text, look, quantity = () => 1) {
  const button = h("button", { class: look, type: "button", "aria-label": `${text}: ${product.name}`, onclick: async () => {
    // not `disabled`, which would take the keyboard's focus away
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    try {
      await add(product.sku, quantity());
      toast(`${product.name} is in your cart.`, h("a", { href: "/cart" }, "View cart"));
    } catch (error) {
      toast(error.message);
    }
    button.removeAttribute("aria-disabled");
  } }, text);
  return button;
}

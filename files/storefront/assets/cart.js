/** The customer's cart, which the cart service keeps. */

import { ask } from "./api.js";
import { customer, customerOrGuest } from "./session.js";

const EMPTY = { items: [], total: 0, totalMinor: 0, notes: [] };

/** @param {any} cart @returns {any} the same, after the header has been told */
function show(cart) {
  const count = cart.items.reduce((sum, line) => sum + line.quantity, 0);
  const badge = document.getElementById("cart-count");
  badge.hidden = count === 0;
  badge.textContent = String(count);
  return cart;
}

export async function load() {
  const who = await customer();
  return show(who ? await ask("cart", `/carts/${who.id}`) : EMPTY);
}

/** @param {string} method @param {string} path @param {unknown} [body] */
async function change(method, path, body) {
  const who = await customerOrGuest();
  return show((await ask("cart", `/carts/${who.id}${path}`, { method, body })) ?? EMPTY);
}

export const add = (sku, quantity) => change("POST", "/items", { sku, quantity });
export const setQuantity = (sku, quantity) => change("PATCH", `/items/${encodeURIComponent(sku)}`, { quantity });
export const remove = (sku) => change("DELETE", `/items/${encodeURIComponent(sku)}`);
export const ship = (city) => change("PUT", "/shipping", { city, method: "standard" });
export const clear = () => change("DELETE", "");
export const mergeGuest = () => change("POST", "/merge", {});

/** The customer's cart, which the cart service keeps. */

import { ask } from "./api.js";
import { customer, customerOrGuest, forget } from "./session.js";

const EMPTY = { items: [], total: 0, totalMinor: 0, shipping: null, notes: [] };

/** @param {any} cart @returns {any} the same, after the header has been told */
function show(cart) {
  const count = cart.items.reduce((sum, line) => sum + line.quantity, 0);
  const badge = document.getElementById("cart-count");
  badge.hidden = count === 0;
  badge.textContent = String(count);
  badge.parentElement.setAttribute("aria-label", count ? `Cart, ${count} ${count === 1 ? "piece" : "pieces"}` : "Cart");
  return cart;
}

/** Ask with the customer's id, once more when the session has ended in the meantime. */
async function withId(find, action) {
  const who = await find();
  try {
    return who ? await action(who.id) : null;
  } catch (error) {
    if (error.status !== 401) throw error;
    forget();
    const now = await find();
    return now ? action(now.id) : null;
  }
}

export async function load() {
  return show((await withId(customer, (id) => ask("cart", `/carts/${encodeURIComponent(id)}`))) ?? EMPTY);
}

/** @param {string} method @param {string} path @param {unknown} [body] */
async function change(method, path, body) {
  return show((await withId(customerOrGuest, (id) => ask("cart", `/carts/${encodeURIComponent(id)}${path}`, { method, body }))) ?? EMPTY);
}

export const add = (sku, quantity) => change("POST", "/items", { sku, quantity });
export const setQuantity = (sku, quantity) => change("PATCH", `/items/${encodeURIComponent(sku)}`, { quantity });
export const remove = (sku) => change("DELETE", `/items/${encodeURIComponent(sku)}`);
export const ship = (city) => change("PUT", "/shipping", { city, method: "standard" });
export const mergeGuest = () => change("POST", "/merge", {});

/** Take out what has been paid; what was added since then stays. @param {{sku: string, quantity: number}[]} paid */
export async function takeOut(paid) {
  const { items } = await load();
  for (const { sku, quantity } of paid) {
    const line = items.find((other) => other.sku === sku);
    if (!line) continue;
    if (line.quantity > quantity) await setQuantity(sku, line.quantity - quantity);
    else await remove(sku);
  }
}

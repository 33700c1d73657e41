/** The customer's cart, which the cart service keeps. */

import { ask } from "./api.js";
import { toast } from "./dom.js";
import { customer, customerOrGuest, forget } from "./session.js";

// that a guest's cart is still to be taken over
const LEFT = "cart-left";

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

/** Also takes over what was left of a guest's cart. @returns {Promise<any>} */
export async function load() {
  const merged = await mergeLeft();
  if (merged) return merged;
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

/** A guest's cart is to be taken over: this outlives a service that is away, and a reload. */
export const leaveCart = () => localStorage.setItem(LEFT, "1");
export const forgetLeft = () => localStorage.removeItem(LEFT);
export const cartIsLeft = () => Boolean(localStorage.getItem(LEFT));

/** @type {Promise<any>|null} */
let merging = null;

/** Take the guest's cart over, once for all who ask for it. @returns {Promise<any>} */
export function mergeGuest() {
  merging ??= merge().finally(() => (merging = null));
  return merging;
}

async function merge() {
  try {
    // as who has logged in: to become another guest would end the guest whose cart it is
    const merged = await withId(customer, (id) => ask("cart", `/carts/${encodeURIComponent(id)}/merge`, { method: "POST", body: {} }));
    if (merged) forgetLeft();
    return merged && show(merged);
  } catch (error) {
    // the guest's session has ended, and its cart with it
    if (error.status === 422) forgetLeft();
    throw error;
  }
}

/** @returns {Promise<any>} the cart, if there was something to take over and somebody to do it for */
async function mergeLeft() {
  if (!cartIsLeft() || (await customer())?.kind !== "user") return null;
  const merged = await mergeGuest().catch(() => null);
  if (merged) toast(merged.notes[0] ?? "What you chose before you logged in is in your cart now.");
  return merged;
}

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

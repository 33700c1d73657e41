/**
 * The payment that has no answer yet. While there is one, no other is begun: nobody pays twice.
 *
 * In the page's memory is the whole request, which is sent again as it was. What outlives a reload says which visit
 * it was, and nothing of the card or the address: the visit's name is in the order, by which it is found again.
 */

import { ask } from "./api.js";

const KEY = "payment";
// a request that has not arrived by then does not: browser and proxy have given it up
const LOST_MS = 60_000;
const PAGE = 20;

/** @typedef {{key: string, owner: string, at: number, body: any}} Pending */

/** @type {Pending|null} */
let inMemory = null;

const token = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @returns {Pending|null} without a card, unless it was begun by this page */
export function pending() {
  let kept = null;
  try {
    kept = JSON.parse(localStorage.getItem(KEY) ?? "null");
  } catch {
    // somebody else's
  }
  if (!kept?.key || !Array.isArray(kept.body?.items)) return null;
  return inMemory?.key === kept.key ? inMemory : kept;
}

/** @param {string} owner @param {any} body without sessionId @returns {Pending} */
export function begin(owner, body) {
  inMemory = { key: token(16), owner, at: Date.now(), body: { sessionId: `user-session-${token(6)}`, ...body } };
  const { card: _card, shipping: _shipping, ...kept } = inMemory.body;
  localStorage.setItem(KEY, JSON.stringify({ ...inMemory, body: kept }));
  return inMemory;
}

/** It has been answered, or was never made. */
export function end() {
  inMemory = null;
  localStorage.removeItem(KEY);
}

/** Whether it can be sent again as it was. @param {Pending} payment @returns {boolean} */
export const repeatable = (payment) => Boolean(payment.body.card);

/** @param {Pending} payment @returns {Promise<any>} the answer */
export function send(payment) {
  return ask("payment", "/payments", { method: "POST", body: payment.body, headers: { "Idempotency-Key": payment.key } });
}

/**
 * Look for the order of a payment that cannot be sent again.
 * @param {Pending} payment @param {AbortSignal} signal
 * @returns {Promise<any>} the order; null when there is none and will be none; undefined while it may still arrive
 */
export async function findOrder(payment, signal) {
  const { orders } = await ask("payment", `/orders?limit=${PAGE}`, { signal });
  const found = orders.find((order) => order.sessionId === payment.body.sessionId);
  return found ?? (Date.now() - payment.at > LOST_MS ? null : undefined);
}

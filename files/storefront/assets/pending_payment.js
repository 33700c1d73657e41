/**
 * The payment that has no answer yet. While its owner has one, no other is begun: nobody pays twice.
 *
 * In the page's memory is the whole request, which is sent again as it was. What outlives a reload says whose it is and
 * which visit it was, and nothing of the card or the address: the visit's name is in the order, by which it is found
 * again. Only the owner is told: each request names the owner, and is refused when the session is somebody else's.
 */

import { ask } from "./api.js";

const KEY = "payment";
// a request that has not arrived by then does not: browser and proxy have given it up
const LOST_MS = 60_000;
const PAGE = 100;

/** @typedef {{key: string, owner: string, account: boolean, at: number, waived?: boolean, body: any}} Pending */
/** @typedef {import("./session.js").Customer} Customer */

/** @type {Pending|null} */
let inMemory = null;

const token = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @returns {Pending[]} of all who were here */
function kept() {
  const names = Object.keys(localStorage).filter((name) => name === KEY || name.startsWith(`${KEY}:`));
  return names.map(read).filter((payment) => payment?.key && payment.owner && Array.isArray(payment.body?.items));
}

function read(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    // somebody else's
    return null;
  }
}

/** @param {Customer|null} who @returns {Pending|null} without a card, unless it was begun by this page */
export function pending(who) {
  const own = kept().find((payment) => payment.owner === who?.id) ?? null;
  return own && inMemory?.key === own.key ? inMemory : own;
}

/** @param {Customer|null} who @returns {Pending[]} what others began here, or the same person in a session that has ended */
export const ofOthers = (who) => kept().filter((payment) => payment.owner !== who?.id && !payment.waived);

/** @param {Customer} who @param {any} body without sessionId and userId @returns {Pending} */
export function begin(who, body) {
  inMemory = { key: token(16), owner: who.id, account: who.kind === "user", at: Date.now(), body: { sessionId: `user-session-${token(6)}`, userId: who.id, ...body } };
  const { card: _card, shipping: _shipping, ...rest } = inMemory.body;
  localStorage.setItem(`${KEY}:${who.id}`, JSON.stringify({ ...inMemory, body: rest }));
  return inMemory;
}

/** It has been answered, or was never made. @param {Pending} payment */
export function end(payment) {
  if (inMemory?.key === payment.key) inMemory = null;
  for (const name of [KEY, `${KEY}:${payment.owner}`]) if (read(name)?.key === payment.key) localStorage.removeItem(name);
}

/** It is no longer in the way of others: an account's is still asked for when its owner is back, a guest is never back. @param {Pending} payment */
export function waive(payment) {
  end(payment);
  if (payment.account) localStorage.setItem(`${KEY}:${payment.owner}`, JSON.stringify({ ...payment, waived: true }));
}

/** Whether an answer says that the session is not the owner's. @param {import("./api.js").ApiError} error @returns {boolean} */
export const foreign = (error) => error.status === 401 || error.status === 404 || error.fields?.includes("userId");

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
  const { orders } = await ask("payment", `/orders?${new URLSearchParams({ userId: payment.owner, limit: String(PAGE) })}`, { signal });
  const found = orders.find((order) => order.sessionId === payment.body.sessionId);
  return found ?? (Date.now() - payment.at > LOST_MS ? null : undefined);
}

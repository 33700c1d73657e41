/** Who the customer is. The token is in a cookie that no script can read. */

import { ask } from "./api.js";

/** @typedef {{id: string, kind: "user"|"guest", email?: string, name?: string}} Customer */

/** @type {Promise<Customer|null>|null} */
let current = null;

/** @param {Customer|null} who @returns {Customer|null} the same, after the header has been told */
function show(who) {
  document.getElementById("account-link").textContent = who?.kind === "user" ? "Account" : "Log in";
  return who;
}

/** Ask again the next time. */
export function forget() {
  current = null;
}

/** @returns {Promise<Customer|null>} null for somebody new */
export function customer() {
  current ??= ask("user", "/users/me").then(show, (error) => {
    if (error.status === 401) return show(null);
    current = null;
    throw error;
  });
  return current;
}

/** @returns {Promise<Customer>} a guest is made of somebody new */
export async function customerOrGuest() {
  const asked = customer();
  const found = await asked;
  if (found) return found;
  // one guest, also for two clicks at once
  if (current === asked || !current) {
    const begun = ask("user", "/guests", { method: "POST", body: { delivery: "cookie" } });
    current = begun;
    begun.catch(() => (current = null));
  }
  return current;
}

/** @param {string} email @param {string} password @returns {Promise<Customer|null>} */
export async function logIn(email, password) {
  await ask("user", "/sessions", { method: "POST", body: { email, password, delivery: "cookie" } });
  forget();
  return customer();
}

/** @param {string} name @param {string} email @param {string} password */
export async function register(name, email, password) {
  await ask("user", "/users", { method: "POST", body: { email, password, name: name || null } });
  return logIn(email, password);
}

export async function logOut() {
  await ask("user", "/sessions/current", { method: "DELETE" });
  forget();
}

/** Who the customer is. The token is in a cookie that no script can read. */

import { ask } from "./api.js";

/** @typedef {{id: string, kind: "user"|"guest", email?: string, name?: string}} Customer */

// that this browser was given a cookie: who was not is not asked for, which would be an error in the console
const KNOWN = "known";

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
  if (!localStorage.getItem(KNOWN)) current ??= Promise.resolve(show(null));
  current ??= ask("user", "/users/me").then(show, (error) => {
    if (error.status === 401) {
      localStorage.removeItem(KNOWN);
      return show(null);
    }
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
    begun.then(() => localStorage.setItem(KNOWN, "1"), () => {});
    begun.catch(() => (current = null));
  }
  return current;
}

/** @param {string} email @param {string} password @returns {Promise<Customer|null>} */
export async function logIn(email, password) {
  await ask("user", "/sessions", { method: "POST", body: { email, password, delivery: "cookie" } });
  localStorage.setItem(KNOWN, "1");
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
  localStorage.removeItem(KNOWN);
  forget();
}

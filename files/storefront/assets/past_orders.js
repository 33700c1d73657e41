/** Which orders were made in this browser. */

const KEY = "orders";

/** @returns {string[]} the newest first */
export function pastOrders() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

/** @param {string} id */
export function remember(id) {
  localStorage.setItem(KEY, JSON.stringify([id, ...pastOrders().filter((other) => other !== id)].slice(0, 50)));
}

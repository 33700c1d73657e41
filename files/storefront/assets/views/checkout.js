/** The checkout: where to, for how much, and paying once. */

import { ask } from "../api.js";
import { clear, load, ship } from "../cart.js";
import { empty, field, h, price, problem } from "../dom.js";
import { remember } from "../past_orders.js";
import { go } from "../router.js";
import { customerOrGuest } from "../session.js";

const KEY = "checkout";

/** The same key for the same order, also after a reload: a repeated payment is one. @param {string} order */
function idempotencyKey(order) {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  if (kept?.order === order) return kept.key;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem(KEY, JSON.stringify({ order, key }));
  return key;
}

export async function checkout({ signal }) {
  const state = await load();
  if (!state.items.length) return { title: "Checkout", content: empty("Nothing to pay for", "Your cart is empty.") };
  const said = h("div", {});
  const cost = h("p", { class: "quiet", role: "status" }, "Choose a city to see an estimate of shipping.");
  const cities = h("select", { id: "city", onchange: quote }, h("option", { value: "" }, "Type the city's beginning first"));
  const button = h("button", {}, "Pay");

  async function look(event) {
    try {
      const found = await ask("shipping", `/cities?${new URLSearchParams({ country: "IN", q: event.target.value })}`, { signal });
      cities.replaceChildren(h("option", { value: "" }, found.cities.length ? "Choose a city" : "No city begins like that"),
        ...found.cities.map((city) => h("option", { value: city.id }, `${city.name}, ${city.region}`)));
    } catch (error) {
      said.replaceChildren(problem(error));
    }
  }
  async function quote() {
    if (!cities.value) return;
    try {
      const products = await Promise.all(state.items.map((line) => ask("catalogue", `/products/${encodeURIComponent(line.sku)}`, { signal })));
      const grams = products.reduce((sum, product, index) => sum + product.weightGrams * state.items[index].quantity, 0);
      const found = await ask("shipping", `/quotes?city=${cities.value}&weight=${grams}`, { signal });
      cost.textContent = `Shipping to ${found.city.name}: about ${price(found.priceMinor)}. The order shows what is charged.`;
    } catch (error) {
      cost.textContent = error.message;
    }
  }
  async function pay(event) {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    try {
      const who = await customerOrGuest();
      if (cities.value) await ship(Number(cities.value)).catch(() => {});
      const body = { sessionId: who.id, userId: who.id, shipping: { method: "standard" },
        items: state.items.map(({ sku, quantity }) => ({ sku, quantity })) };
      const paid = await ask("payment", "/payments", { method: "POST", body, headers: { "Idempotency-Key": idempotencyKey(JSON.stringify(body)) } });
      sessionStorage.removeItem(KEY);
      remember(paid.orderId);
      await clear().catch(() => {});
      go(`/orders/${encodeURIComponent(paid.orderId)}`);
    } catch (error) {
      said.replaceChildren(problem(error));
      button.disabled = false;
    }
  }
  return { title: "Checkout", content: h("div", {}, h("h1", {}, "Checkout"), h("form", { class: "split", onsubmit: pay },
    h("div", {}, field("City begins with", { id: "beginning", autocomplete: "off", onchange: look,
      // Enter looks for cities; it does not pay
      onkeydown: (event) => { if (event.key === "Enter") { event.preventDefault(); look(event); } } }),
      h("div", { class: "field" }, h("label", { for: "city" }, "City"), cities), cost),
    h("div", { class: "card box" }, ...state.items.map((line) => h("p", { class: "sum" }, h("span", {}, `${line.name ?? line.sku} × ${line.quantity}`))),
      h("p", { class: "sum total" }, h("span", {}, "Without shipping"), h("span", {}, state.totalMinor === null ? "–" : price(state.totalMinor))), button, said))) };
}

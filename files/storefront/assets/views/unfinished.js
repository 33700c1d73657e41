/** What stands in for the checkout while a payment begun before has no answer. */

import { takeOut } from "../cart.js";
import { h, price, problem, toast } from "../dom.js";
import { end, findOrder, repeatable, send } from "../pending_payment.js";
import { go } from "../router.js";

const POLL_MS = 3000;

/** @param {import("../pending_payment.js").Pending} payment @param {AbortSignal} signal @returns {HTMLElement} */
export function unfinished(payment, signal) {
  const { items, expectedTotalMinor } = payment.body;
  const said = h("div", {}, h("p", { class: "note", role: "status" }, "Asking what became of it …"));

  async function finish(order) {
    end();
    await takeOut(items).catch(() => {});
    if (!signal.aborted) go(`/orders/${encodeURIComponent(order.orderId)}`);
  }
  function never(text) {
    end();
    if (signal.aborted) return;
    toast(text);
    go("/checkout");
  }
  async function look() {
    while (!signal.aborted) {
      try {
        const order = repeatable(payment) ? await send(payment) : await findOrder(payment, signal);
        if (order) return finish(order);
        if (order === null) return never("Your last payment never arrived. Nothing was charged.");
      } catch (error) {
        if (signal.aborted) return;
        if (repeatable(payment) && !error.unanswered && ![401, 403].includes(error.status)) return never(error.message);
        if (!repeatable(payment) && error.status === 401) return never("The session in which you paid has ended. Log in to see its order.");
        said.replaceChildren(problem(new Error(`${error.message} We go on asking.`)));
      }
      await new Promise((wake) => setTimeout(wake, POLL_MS));
    }
  }
  look();
  return h("div", { class: "narrow" }, h("h1", {}, "Your last payment has no answer yet"),
    h("p", {}, "Before you pay for something else we find out what became of it, so that you are not charged twice. Your cart stays as it is."),
    h("div", { class: "card box" }, ...items.map((item) => h("p", { class: "sum" }, h("span", {}, item.sku), h("span", {}, `× ${item.quantity}`))),
      Number.isInteger(expectedTotalMinor) && h("p", { class: "sum total" }, h("span", {}, "Total"), h("span", { class: "price" }, price(expectedTotalMinor)))), said);
}

/** What stands in for the checkout while a payment begun before has no answer. */

import { takeOut } from "../cart.js";
import { h, price, problem, toast, when } from "../dom.js";
import { end, findOrder, foreign, repeatable, send, waive } from "../pending_payment.js";
import { go } from "../router.js";
import { forget } from "../session.js";

const POLL_MS = 3000;

const pause = () => new Promise((wake) => setTimeout(wake, POLL_MS));

/** @param {import("../pending_payment.js").Pending} payment @param {AbortSignal} signal @returns {HTMLElement} */
export function unfinished(payment, signal) {
  const { items, expectedTotalMinor } = payment.body;
  const said = h("div", {}, h("p", { class: "note", role: "status" }, "Asking what became of it …"));

  async function finish(order) {
    end(payment);
    await takeOut(items).catch(() => {});
    if (!signal.aborted) go(`/orders/${encodeURIComponent(order.orderId)}`);
  }
  function never(text) {
    end(payment);
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
        if (foreign(error)) return hide();
        if (repeatable(payment) && !error.unanswered && error.status !== 403) return never(error.message);
        said.replaceChildren(problem(new Error(`${error.message} We go on asking.`)));
      }
      await pause();
    }
  }
  /** The session is another one meanwhile: the checkout says what that means. */
  async function hide() {
    forget();
    await pause();
    if (!signal.aborted) go("/checkout");
  }
  look();
  return h("div", { class: "narrow" }, h("h1", {}, "Your last payment has no answer yet"),
    h("p", {}, "Before you pay for something else we find out what became of it, so that you are not charged twice. Your cart stays as it is."),
    h("div", { class: "card box" }, ...items.map((item) => h("p", { class: "sum" }, h("span", {}, item.sku), h("span", {}, `× ${item.quantity}`))),
      Number.isInteger(expectedTotalMinor) && h("p", { class: "sum total" }, h("span", {}, "Total"), h("span", { class: "price" }, price(expectedTotalMinor)))), said);
}

/**
 * What is known of payments whose owner is not here: that they have no answer, and not what was bought.
 * @param {import("../pending_payment.js").Pending[]} payments @returns {HTMLElement}
 */
export function ofSomebodyElse(payments) {
  const account = payments.some((payment) => payment.account);
  const goOn = () => {
    payments.forEach(waive);
    go("/checkout");
  };
  return h("div", { class: "narrow" }, h("h1", {}, "A payment in this browser has no answer yet"),
    ...payments.map((payment) => h("p", {}, payment.account ? `On ${when(payment.at)} an account that is not logged in now began a payment here. It may have been charged or not: only that account is told.`
      : `On ${when(payment.at)} a visit that has ended began a payment here. It may have been charged or not: its order, if there is one, is dealt with, but it can no longer be shown.`)),
    h("p", { class: "note" }, account ? "If it was yours, log in with that account first, so that you do not pay twice." : "If it was yours, your bank can tell you. Pay again only if it was not charged."),
    h("p", { class: "row" }, account && h("a", { class: "btn", href: "/account" }, "Log in"), h("button", { class: "plain", type: "button", onclick: goOn }, "Go on to the checkout")));
}

/** An order, and how far it is. */

import { ask } from "../api.js";
import { add } from "../cart.js";
import { announce, h, price, sum, toast, when } from "../dom.js";
import { go } from "../router.js";
import { addressLines } from "./address.js";

const POLL_MS = 1500;
const SLOWEST_MS = 15_000;
const STEPS = { accepted: "Ordered", paid: "Paid", processing: "Being processed", processed: "Processed" };
const TITLES = { accepted: "Your bank has not answered yet", paid: "Thank you for your order", processing: "Thank you for your order", processed: "Thank you for your order", rejected: "This order was not made" };
const WORDS = {
  accepted: "We have your order and wait for the bank. You need not do anything, and you may close this page: the order is listed under Orders.",
  paid: "It is paid, and waits to be recorded.", processing: "It is paid, and is being recorded.", processed: "Your order is recorded.",
};
// a product's sku, as the catalogue takes them: the line of shipping has its name there, with a space
const PRODUCT = /^[A-Za-z][A-Za-z0-9-]*$/;
const REASONS = { card_declined: "The card was declined.", abandoned: "The payment was not finished.", out_of_stock: "There was not enough in stock." };

/** @param {string} state @returns {string} for a list */
export const stateName = (state) => ({ accepted: "Waiting for the bank", rejected: "Not made" })[state] ?? STEPS[state] ?? state;

export async function order({ params: [id], signal }) {
  const load = () => ask("payment", `/orders/${encodeURIComponent(id)}`, { signal });
  let found = await load();
  const content = h("div", { class: "narrow" });
  const draw = () => content.replaceChildren(...page(found));
  draw();
  (async () => {
    for (let pause = POLL_MS; !signal.aborted && found.state !== "processed" && found.state !== "rejected"; pause = Math.min(pause * 1.1, SLOWEST_MS)) {
      await new Promise((wake) => setTimeout(wake, pause));
      // one answer that fails is followed by the next
      const now = signal.aborted ? null : await load().catch(() => null);
      if (!now || signal.aborted || now.state === found.state) continue;
      found = now;
      draw();
      announce(stateName(found.state));
    }
  })();
  return { title: `Order ${id}`, content };
}

function page(found) {
  const rejected = found.state === "rejected";
  const items = found.items ?? [];
  return [h("h1", {}, TITLES[found.state] ?? "Your order"),
    h("p", { class: "quiet" }, `Order ${found.orderId} · ${when(found.createdAt)}`),
    rejected ? h("div", { class: "error" }, h("p", {}, `${REASONS[found.reason] ?? "It could not be completed."} Nothing was charged.`),
      items.length > 0 && h("button", { class: "plain", type: "button", onclick: () => again(items) }, "Put it into the cart again"))
      : h("div", {}, steps(found.state), h("p", { class: "lead" }, WORDS[found.state] ?? "")),
    items.length > 0 && h("section", { class: "card box", "aria-label": "What was ordered" },
      ...items.map((line) => sum(line.quantity > 1 ? `${line.name} × ${line.quantity}` : line.name, price(Math.round(line.price * line.quantity * 100)))),
      sum(rejected || found.state === "accepted" ? "Total" : "Charged", price(found.totalMinor), "total")),
    found.shippingAddress && !rejected && h("section", { class: "card box after", "aria-labelledby": "to" }, h("h2", { id: "to" }, "Sent to"), addressLines(found.shippingAddress)),
    h("p", { class: "row" }, h("a", { class: "btn", href: "/" }, "Continue shopping"), h("a", { href: "/orders" }, "All your orders"))].filter(Boolean);
}

function steps(state) {
  const reached = Object.keys(STEPS).indexOf(state);
  return h("ol", { class: "steps", id: "state", "data-state": state }, ...Object.values(STEPS).map((name, index) =>
    h("li", { class: index < reached ? "done" : index === reached ? (state === "processed" ? "done" : "now") : null, "aria-current": index === reached && "step" }, name)));
}

async function again(items) {
  // the cart refuses what is no product only while it can ask the catalogue
  const answers = await Promise.allSettled(items.filter((line) => PRODUCT.test(line.sku)).map((line) => add(line.sku, line.quantity)));
  const refused = answers.find((answer) => answer.status === "rejected");
  if (answers.some((answer) => answer.status === "fulfilled")) go("/cart");
  if (refused) toast(refused.reason.message);
}

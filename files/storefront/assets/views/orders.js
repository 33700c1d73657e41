/** The orders of the customer. */

import { ask } from "../api.js";
import { empty, h, price, problem, when } from "../dom.js";
import { customer } from "../session.js";
import { stateName } from "./order.js";

const PAGE = 10;

export async function orders({ signal }) {
  const who = await customer();
  const page = who ? await find("", signal) : { orders: [], next: null };
  if (!page.orders.length) return { title: "Orders", content: empty("No orders yet", who?.kind === "user" ? "What you buy is listed here." : "What you buy is listed here. Log in to see the orders of your account.") };
  const list = h("ul", { class: "orders" }, ...page.orders.map(card));
  let cursor = page.next;
  const more = h("button", { class: "plain more", type: "button", hidden: !cursor, onclick: async () => {
    more.disabled = true;
    try {
      const following = await find(cursor, signal);
      list.append(...following.orders.map(card));
      cursor = following.next;
      more.hidden = !cursor;
    } catch (error) {
      more.before(problem(error));
    }
    more.disabled = false;
  } }, "Show older orders");
  return { title: "Orders", content: h("div", { class: "narrow" }, h("h1", {}, "Your orders"), list, more) };
}

const find = (cursor, signal) => ask("payment", `/orders?${new URLSearchParams({ limit: String(PAGE), ...(cursor && { cursor }) })}`, { signal });

function card(order) {
  return h("li", { class: "card box past" }, h("div", {}, h("h2", {}, h("a", { href: `/orders/${encodeURIComponent(order.orderId)}` }, order.orderId)),
    h("p", { class: "quiet" }, when(order.createdAt)), h("p", {}, (order.items ?? []).map((line) => line.name).join(", "))),
  h("div", { class: "end" }, h("p", { class: `state ${order.state}` }, stateName(order.state)), h("p", { class: "price" }, price(order.totalMinor ?? 0))));
}

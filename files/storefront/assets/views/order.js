/** An order and how far it is, and the orders of this browser. */

import { ask } from "../api.js";
import { announce, empty, h, price } from "../dom.js";
import { pastOrders } from "../past_orders.js";

const POLL_MS = 2000;
const STEPS = { paid: "Paid", processing: "Being processed", processed: "Processed" };

export async function order({ params: [id], signal }) {
  const load = () => ask("payment", `/orders/${encodeURIComponent(id)}`, { signal });
  const found = await load();
  const steps = h("ol", { class: "steps" });
  let state = found.state;
  draw(steps, state);
  (async () => {
    while (!signal.aborted && state !== "processed" && state !== "rejected") {
      await new Promise((wake) => setTimeout(wake, POLL_MS));
      // one answer that fails is followed by the next
      const now = signal.aborted ? null : await load().catch(() => null);
      if (!now || now.state === state) continue;
      state = now.state;
      draw(steps, state);
      announce(STEPS[state] ?? state);
    }
  })();
  return { title: `Order ${id}`, content: h("div", {}, h("h1", {}, "Thank you for your order"), h("p", { class: "quiet" }, id), steps,
    h("div", { class: "card box" }, ...found.items.map((line) => h("p", { class: "sum" }, h("span", {}, `${line.name} × ${line.quantity}`),
      h("span", { class: "price" }, price(line.price * line.quantity * 100)))),
    h("p", { class: "sum total" }, h("span", {}, "Charged"), h("span", {}, price(found.totalMinor))))) };
}

function draw(steps, state) {
  if (state === "rejected") return steps.replaceChildren(h("li", { class: "error" }, "Rejected"));
  const reached = Object.keys(STEPS).indexOf(state);
  steps.replaceChildren(...Object.values(STEPS).map((name, index) =>
    h("li", { class: index <= reached && "done", "aria-current": index === reached && "step" }, name)));
}

export async function orders() {
  const ids = pastOrders();
  if (!ids.length) return { title: "Orders", content: empty("No orders yet", "Orders made in this browser are listed here.") };
  return { title: "Orders", content: h("div", {}, h("h1", {}, "Your orders"), h("ul", { class: "lines" },
    ...ids.map((id) => h("li", {}, h("a", { href: `/orders/${encodeURIComponent(id)}` }, id))))) };
}

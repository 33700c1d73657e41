/** The cart. */

import { load, remove, setQuantity } from "../cart.js";
import { announce, empty, h, price, problem } from "../dom.js";

export async function cart() {
  const content = h("div", {});
  const draw = (state) => content.replaceChildren(...page(state, change));
  async function change(action) {
    try {
      draw(await action());
      announce("The cart has changed");
    } catch (error) {
      content.prepend(problem(error));
    }
  }
  draw(await load());
  return { title: "Cart", content };
}

function page(state, change) {
  if (!state.items.length) return [empty("Your cart is empty", "What you add is kept here for a week.")];
  return [h("h1", {}, "Your cart"), ...state.notes.map((note) => h("p", { class: "note" }, note)),
    h("div", { class: "split" }, h("ul", { class: "lines" }, ...state.items.map((line) => row(line, change))),
      h("div", { class: "card box" }, h("p", { class: "sum total" }, h("span", {}, "Total"), h("span", { class: "price" }, state.totalMinor === null ? "not known yet" : price(state.totalMinor))),
        h("a", { class: "btn", href: "/checkout" }, "Check out")))];
}

function row(line, change) {
  const name = line.name ?? line.sku;
  const top = Math.max(10, line.quantity);
  return h("li", {}, h("a", { href: `/products/${encodeURIComponent(line.sku)}` }, name),
    h("select", { "aria-label": `Quantity of ${name}`, onchange: (event) => change(() => setQuantity(line.sku, Number(event.target.value))) },
      ...Array.from({ length: top }, (_, index) => h("option", { value: index + 1, selected: index + 1 === line.quantity }, String(index + 1)))),
    h("span", { class: "price" }, line.priceMinor === null ? "–" : price(line.priceMinor * line.quantity)),
    h("button", { class: "plain", type: "button", "aria-label": `Remove ${name}`, onclick: () => change(() => remove(line.sku)) }, "Remove"));
}

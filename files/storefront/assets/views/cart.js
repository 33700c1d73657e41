/** The cart. */

import { load, remove, setQuantity } from "../cart.js";
import { announce, empty, h, price, problem, sum } from "../dom.js";
import { stepper } from "./stepper.js";

export async function cart() {
  const content = h("div", {});
  // one change after the other, so that the last answer is the last state
  let queue = Promise.resolve();
  const change = (action, said) => {
    queue = queue.then(async () => {
      try {
        const state = await action();
        const focused = document.activeElement?.getAttribute("aria-label");
        draw(state);
        announce(said);
        const again = focused && [...content.querySelectorAll("[aria-label]")].find((element) => element.getAttribute("aria-label") === focused && !element.disabled && element.matches("button, input"));
        (again || content.querySelector("h1"))?.focus({ preventScroll: true });
      } catch (error) {
        content.querySelector(".error")?.remove();
        content.prepend(problem(error, () => load().then(draw, () => {})));
      }
    });
  };
  const draw = (state) => content.replaceChildren(...page(state, change));
  draw(await load());
  return { title: "Cart", content };
}

function page(state, change) {
  if (!state.items.length) return [empty("Your cart is empty", "What you add is kept here for a week.")];
  return [h("h1", { tabindex: -1 }, "Your cart"), ...state.notes.map((note) => h("p", { class: "note" }, note)),
    h("div", { class: "split" }, h("ul", { class: "lines card" }, ...state.items.map((line) => row(line, change))),
      h("section", { class: "card box sticky", "aria-label": "Total" }, sum("Courses", state.totalMinor === null ? "not known yet" : price(state.totalMinor), "total"),
        h("p", { class: "quiet" }, "Shipping is added when we know where to."),
        h("a", { class: "btn wide", href: "/checkout" }, "Check out"), h("a", { class: "wide-link", href: "/" }, "Continue shopping")))];
}

function row(line, change) {
  const name = line.name ?? line.sku;
  return h("li", {}, h("img", { class: "thumb", src: `/pictures/${encodeURIComponent(line.sku)}.svg`, alt: "", width: 96, height: 60, onerror: (event) => event.target.classList.add("none") }),
    h("div", { class: "what" }, h("a", { href: `/products/${encodeURIComponent(line.sku)}` }, name),
      h("p", { class: "quiet" }, line.priceMinor === null ? "Price not known at the moment" : `${price(line.priceMinor)} each`)),
    stepper(name, line.quantity, (value) => change(() => setQuantity(line.sku, value), `${name}: ${value}`)),
    h("span", { class: "price" }, line.priceMinor === null ? "–" : price(line.priceMinor * line.quantity)),
    h("button", { class: "link", type: "button", "aria-label": `Remove ${name}`, onclick: () => change(() => remove(line.sku), `${name} is removed`) }, "Remove"));
}

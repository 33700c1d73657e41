/** One product. */

import { ask } from "../api.js";
import { add } from "../cart.js";
import { announce, h, picture, price, problem } from "../dom.js";

export async function product({ params: [sku], signal }) {
  const found = await ask("catalogue", `/products/${encodeURIComponent(sku)}`, { signal });
  const said = h("div", {});
  const button = h("button", { type: "button", disabled: found.stock < 1, onclick: put }, found.stock < 1 ? "Sold out" : "Add to cart");
  async function put() {
    button.disabled = true;
    try {
      await add(found.sku, 1);
      said.replaceChildren(h("p", { class: "note" }, "In your cart. ", h("a", { href: "/cart" }, "Go to the cart")));
      announce(`${found.name} is in your cart`);
    } catch (error) {
      said.replaceChildren(problem(error));
    }
    button.disabled = false;
  }
  return { title: found.name, content: h("article", { class: "split" },
    h("div", {}, h("div", { class: "card" }, picture(found.picture)), h("br"),
      ...found.description.split("\n\n").map((text) => h("p", {}, text))),
    h("div", { class: "card box" }, h("h1", {}, found.name), h("p", {}, found.summary),
      h("p", { class: "quiet" }, `${found.level} · ${found.hours} hours`),
      h("p", { class: "price" }, price(found.priceMinor)), button, said)) };
}

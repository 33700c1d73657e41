/** One product. */

import { ask } from "../api.js";
import { h, picture, price } from "../dom.js";
import { putter } from "./put.js";
import { stepper } from "./stepper.js";

export async function product({ params: [sku], signal }) {
  const found = await ask("catalogue", `/products/${encodeURIComponent(sku)}`, { signal });
  const categories = await ask("catalogue", "/categories", { signal }).then((answer) => answer.categories, () => []);
  const category = categories.find(({ slug }) => slug === found.category);
  let quantity = 1;
  const there = found.stock > 0;
  return { title: found.name, content: h("article", {},
    h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "/" }, "Courses"),
      category && h("a", { href: `/?${new URLSearchParams({ category: category.slug })}` }, category.title)),
    h("div", { class: "split" },
      h("div", { class: "card" }, picture(found.picture, true)),
      h("div", { class: "facts" }, h("h1", {}, found.name), h("p", { class: "lead" }, found.summary),
        h("p", { class: "price big" }, price(found.priceMinor)),
        h("p", { class: there ? "in" : "left" }, !there ? "Sold out" : found.stock <= 5 ? `Only ${found.stock} left` : "In stock"),
        there && h("div", { class: "row" }, stepper(found.name, 1, (value) => (quantity = value)), putter(found, "Add to cart", "grow", () => quantity)),
        h("dl", { class: "specs" }, ...[["Level", found.level], ["Time", `${found.hours} hours`], ["Weight", `${found.weightGrams} g`]]
          .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))))),
    h("section", { class: "prose" }, h("h2", {}, "What is in it"), ...found.description.split("\n\n").map((text) => h("p", {}, text)),
      h("ul", { class: "tags", "aria-label": "Topics" }, ...(found.tags ?? []).map((tag) => h("li", {}, h("a", { href: `/?${new URLSearchParams({ q: tag })}` }, tag)))))) };
}

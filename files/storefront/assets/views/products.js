/** The list of products, with search, categories and pages. */

import { ask } from "../api.js";
import { empty, h, picture, price, problem } from "../dom.js";
import { go } from "../router.js";

const PAGE = 12;

export async function products({ query, signal }) {
  const category = query.get("category") ?? "";
  const words = query.get("q") ?? "";
  const [page, groups] = await Promise.all([
    find(category, words, "", signal),
    ask("catalogue", "/categories", { signal }).catch(() => ({ categories: [] })),
  ]);
  const list = h("ul", { class: "grid" }, ...page.products.map(card));
  const more = h("button", { class: "plain", type: "button", hidden: !page.next, onclick: () => next() }, "Show more");
  let cursor = page.next;
  async function next() {
    more.disabled = true;
    try {
      const following = await find(category, words, cursor, signal);
      const cards = following.products.map(card);
      list.append(...cards);
      cursor = following.next;
      more.hidden = !cursor;
      cards[0]?.querySelector("a").focus();
    } catch (error) {
      more.before(problem(error));
    }
    more.disabled = false;
  }
  return {
    title: "Courses",
    content: h("div", {}, h("h1", {}, "Learn to run systems, on paper and for real"), search(words, category),
      chips(groups.categories, category),
      page.products.length ? list : empty("Nothing found", "Try fewer words, or another category."), more),
  };
}

function find(category, q, cursor, signal) {
  return ask("catalogue", `/products?${new URLSearchParams({ category, q, cursor, limit: String(PAGE) })}`, { signal });
}

function search(words, category) {
  return h("form", { class: "search", role: "search", onsubmit: (event) => {
    event.preventDefault();
    const q = new FormData(event.target).get("q").toString().trim();
    go(`/?${new URLSearchParams({ ...(category && { category }), ...(q && { q }) })}`);
  } }, h("label", { for: "q", class: "hidden" }, "Search courses"),
  h("input", { id: "q", name: "q", type: "search", maxlength: 100, value: words, placeholder: "Search courses" }),
  h("button", {}, "Search"));
}

function chips(categories, chosen) {
  const all = [{ slug: "", title: "All" }, ...categories];
  return h("nav", { "aria-label": "Categories" }, h("ul", { class: "chips" }, ...all.map(({ slug, title }) =>
    h("li", {}, h("a", { href: slug ? `/?${new URLSearchParams({ category: slug })}` : "/", "aria-current": slug === chosen && "true" }, title)))));
}

function card(product) {
  return h("li", { class: "card product" }, picture(product.picture), h("div", {},
    h("h2", {}, h("a", { href: `/products/${encodeURIComponent(product.sku)}` }, product.name)),
    h("p", { class: "quiet" }, product.summary),
    h("span", { class: "price" }, price(product.priceMinor))));
}

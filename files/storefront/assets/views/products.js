/** The list of products, with search, categories and pages. */

import { ask } from "../api.js";
import { announce, h, picture, price, problem } from "../dom.js";
import { rename } from "../router.js";
import { putter } from "./put.js";

const PAGE = 12;
const TYPING_MS = 250;

export async function products({ query, signal }) {
  const category = query.get("category") ?? "";
  let words = (query.get("q") ?? "").slice(0, 100);
  const list = h("div", {});
  const groups = ask("catalogue", "/categories", { signal }).then((found) => found.categories, () => []);
  let typed = 0;

  /** Show what is found; an answer that comes after a later question's is nobody's. */
  async function show() {
    const mine = ++typed;
    try {
      const page = await find(category, words, "", signal);
      if (mine === typed) list.replaceChildren(...results(page, category, words, signal));
      return page;
    } catch (error) {
      if (!signal.aborted && mine === typed) list.replaceChildren(problem(error, show));
      return null;
    }
  }
  async function look(text) {
    if (signal.aborted || text === words) return;
    words = text;
    rename(path(category, words));
    for (const link of document.querySelectorAll(".chips a")) link.setAttribute("href", path(link.dataset.slug, words));
    list.setAttribute("aria-busy", "true");
    const page = await show();
    list.removeAttribute("aria-busy");
    if (page) announce(page.products.length ? `${page.products.length}${page.next ? " and more" : ""} courses found` : "Nothing found");
  }
  const [known] = await Promise.all([groups, show()]);
  return {
    title: "Courses",
    content: h("div", {},
      h("section", { class: "hero" }, h("h1", {}, "Learn to run systems, on paper and for real"),
        h("p", {}, "Printed workbooks by people who are on call. Two virtual machines, a pencil, and no slides."), search(words, look)),
      chips(known, category, words), list),
  };
}

const find = (category, q, cursor, signal) =>
  ask("catalogue", `/products?${new URLSearchParams({ ...(category && { category }), ...(q && { q }), ...(cursor && { cursor }), limit: String(PAGE) })}`, { signal });

function path(category, q) {
  const search = new URLSearchParams({ ...(category && { category }), ...(q && { q }) }).toString();
  return search ? `/?${search}` : "/";
}

function results(page, category, words, signal) {
  if (!page.products.length) {
    return [h("div", { class: "empty" }, h("h2", {}, "Nothing found"), h("p", { class: "quiet" }, words ? `No course has “${words}”. Try fewer words, or another category.` : "Nothing here yet."),
      h("a", { class: "btn", href: "/" }, "Show all courses"))];
  }
  const cards = h("ul", { class: "grid" }, ...page.products.map((product, index) => card(product, index < 4)));
  const more = h("button", { class: "plain more", type: "button", hidden: !page.next, onclick: next }, "Show more courses");
  let cursor = page.next;
  async function next() {
    more.disabled = true;
    try {
      const following = await find(category, words, cursor, signal);
      const added = following.products.map((product) => card(product));
      cards.append(...added);
      cursor = following.next;
      more.hidden = !cursor;
      added[0]?.querySelector("a").focus({ preventScroll: true });
    } catch (error) {
      if (!signal.aborted) more.before(problem(error));
    }
    more.disabled = false;
  }
  return [cards, more];
}

function search(words, look) {
  let waiting = 0;
  const input = h("input", { id: "q", name: "q", type: "search", maxlength: 100, value: words, placeholder: "Search for Linux, backups, TLS …", autocomplete: "off",
    oninput: () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => look(input.value.trim()), TYPING_MS);
    } });
  return h("form", { class: "search", role: "search", onsubmit: (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    look(input.value.trim());
  } }, h("label", { for: "q", class: "hidden" }, "Search courses"), input, h("button", {}, "Search"));
}

function chips(categories, chosen, words) {
  const all = [{ slug: "", title: "All courses" }, ...categories];
  return h("nav", { "aria-label": "Categories" }, h("ul", { class: "chips" }, ...all.map(({ slug, title }) =>
    h("li", {}, h("a", { href: path(slug, words), "data-slug": slug, "aria-current": slug === chosen && "true" }, title)))));
}

function card(product, soon = false) {
  const left = product.stock < 1 ? "Sold out" : product.stock <= 5 ? `Only ${product.stock} left` : null;
  return h("li", { class: "card product" }, picture(product.picture, soon), h("div", {},
    h("p", { class: "meta" }, `${product.level} · ${product.hours} hours`),
    h("h2", {}, h("a", { href: `/products/${encodeURIComponent(product.sku)}` }, product.name)),
    h("p", { class: "quiet" }, product.summary),
    h("div", { class: "buy" }, h("span", { class: "price" }, price(product.priceMinor)), left && h("span", { class: "left" }, left),
      product.stock > 0 && putter(product, "Add", "plain small"))));
}

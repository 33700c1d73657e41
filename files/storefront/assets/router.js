/** Real URLs without loading a page: which view shows which path. */

import { announce, h, problem } from "./dom.js";

const BUSY_MS = 200;

let leave = new AbortController();
// what is shown; a fragment is a place in it
let shown = "";

const here = () => location.pathname + location.search;

/**
 * @param {[RegExp, (context: {params: string[], query: URLSearchParams, signal: AbortSignal}) => Promise<{title: string, content: Node}>][]} routes
 */
export function start(routes) {
  const render = async (how) => {
    leave.abort();
    leave = new AbortController();
    shown = here();
    const { signal } = leave;
    const main = document.getElementById("main");
    main.setAttribute("aria-busy", "true");
    // a view that takes long leaves its predecessor's place
    const waiting = setTimeout(() => signal.aborted || main.replaceChildren(skeleton()), how === "first" ? 0 : BUSY_MS);
    let view;
    try {
      view = await find(routes, signal);
    } catch (error) {
      const gone = error.status === 404;
      view = { title: gone ? "Not found" : "Something is missing", content: h("div", { class: "narrow" },
        h("h1", {}, gone ? "There is nothing here" : "Something is missing"), problem(error, gone ? undefined : () => render("again")),
        h("a", { href: "/" }, "To all courses")) };
    }
    clearTimeout(waiting);
    if (signal.aborted) return;
    main.replaceChildren(view.content);
    main.removeAttribute("aria-busy");
    document.title = `${view.title} · SkillUpWorks`;
    mark();
    if (how === "first") return;
    scrollTo(0, how === "back" ? (history.state?.y ?? 0) : 0);
    main.focus({ preventScroll: true });
    announce(view.title);
  };
  history.scrollRestoration = "manual";
  // another place in what is shown is none to go to: its view would lose what is typed there
  addEventListener("popstate", () => here() === shown || render("back"));
  addEventListener("navigate-to", () => render("to"));
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href^='/'], a[href^='#']") : null;
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const to = link.getAttribute("href");
    if (to.startsWith("#")) move(to.slice(1));
    else go(to);
  });
  render("first");
}

/** @param {string} path */
export function go(path) {
  history.replaceState({ y: scrollY }, "");
  history.pushState(null, "", path);
  dispatchEvent(new Event("navigate-to"));
}

/** Give what is shown another address. @param {string} path */
export function rename(path) {
  history.replaceState(history.state, "", path);
  shown = here();
}

/** Go to a part of what is shown, which is not worth a step back. @param {string} id */
function move(id) {
  const part = document.getElementById(id);
  part?.focus({ preventScroll: true });
  part?.scrollIntoView();
}

function find(routes, signal) {
  for (const [pattern, view] of routes) {
    const found = pattern.exec(location.pathname);
    if (found) return view({ params: found.slice(1).map(decoded), query: new URLSearchParams(location.search), signal });
  }
  throw Object.assign(new Error("There is no such page."), { status: 404 });
}

/** @param {string} part of a path, which need not be well formed */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function skeleton() {
  return h("div", { class: "grid", "aria-hidden": "true" }, ...Array.from({ length: 8 }, () => h("div", { class: "card ghost" })));
}

function mark() {
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.getAttribute("href") === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

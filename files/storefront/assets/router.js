/** Real URLs without loading a page: which view shows which path. */

import { h, problem } from "./dom.js";

let leave = new AbortController();

/**
 * @param {[RegExp, (context: {params: string[], query: URLSearchParams, signal: AbortSignal}) => Promise<{title: string, content: Node}>][]} routes
 */
export function start(routes) {
  const render = async (focus) => {
    leave.abort();
    leave = new AbortController();
    const { signal } = leave;
    const main = document.getElementById("main");
    main.setAttribute("aria-busy", "true");
    let view;
    try {
      view = await find(routes, signal);
    } catch (error) {
      view = { title: "Something is missing", content: h("div", {}, h("h1", {}, "Something is missing"), problem(error, () => render(true))) };
    }
    if (signal.aborted) return;
    main.replaceChildren(view.content);
    main.removeAttribute("aria-busy");
    document.title = `${view.title} · SkillUpWorks`;
    mark();
    if (focus) {
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
  };
  addEventListener("popstate", () => render(true));
  addEventListener("navigate-to", () => render(true));
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href^='/']") : null;
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(link.getAttribute("href"));
  });
  render(false);
}

/** @param {string} path */
export function go(path) {
  history.pushState(null, "", path);
  dispatchEvent(new Event("navigate-to"));
}

function find(routes, signal) {
  for (const [pattern, view] of routes) {
    const found = pattern.exec(location.pathname);
    if (found) return view({ params: found.slice(1).map(decodeURIComponent), query: new URLSearchParams(location.search), signal });
  }
  throw new Error("There is no such page.");
}

function mark() {
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.getAttribute("href") === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

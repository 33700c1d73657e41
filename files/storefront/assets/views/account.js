/** Login, registration and logout. */

import { load, mergeGuest } from "../cart.js";
import { field, h, problem } from "../dom.js";
import { go } from "../router.js";
import { customer, logIn, logOut, register } from "../session.js";

export async function account() {
  const who = await customer();
  if (who?.kind === "user") {
    const said = h("div", {});
    const leave = () => logOut().then(load).then(() => go("/"), (error) => said.replaceChildren(problem(error)));
    return { title: "Account", content: h("div", {}, h("h1", {}, who.name ?? who.email), h("p", {}, who.email), h("button", { type: "button", onclick: leave }, "Log out"), said) };
  }
  return { title: "Log in", content: h("div", { class: "split" }, form("Log in", "current", who), form("Register", "new", who)) };
}

function form(title, kind, guest) {
  const said = h("div", {});
  const fresh = kind === "new";
  async function submit(event) {
    event.preventDefault();
    const data = Object.fromEntries(new FormData(event.target));
    const button = event.target.querySelector("button");
    button.disabled = true;
    try {
      if (fresh) await register(data["new-name"], data["new-email"], data["new-password"]);
      else await logIn(data["current-email"], data["current-password"]);
      if (guest) await mergeGuest().catch(() => {});
      await load().catch(() => {});
      go("/");
    } catch (error) {
      said.replaceChildren(problem(error));
      button.disabled = false;
    }
  }
  return h("form", { class: "card box", onsubmit: submit }, h("h1", {}, title),
    fresh && field("Name (optional)", { id: "new-name", autocomplete: "name" }),
    field("E-mail", { id: `${kind}-email`, type: "email", autocomplete: "email", required: true }),
    field("Password", { id: `${kind}-password`, type: "password", autocomplete: `${kind}-password`, required: true, minlength: fresh && 10 }),
    h("button", {}, title), said);
}

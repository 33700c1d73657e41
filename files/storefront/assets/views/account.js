/** Login, registration and logout. */

import { cartIsLeft, forgetLeft, leaveCart, load, mergeGuest } from "../cart.js";
import { complain, field, forgive, h, problem, toast } from "../dom.js";
import { pending } from "../pending_payment.js";
import { go } from "../router.js";
import { customer, logIn, logOut, register } from "../session.js";

// the fields as the user service calls them
const CALLED = { email: "This address", password: "The password", name: "The name" };

const LEFT_WORDS = "What you chose before you logged in could not be put into your cart yet. It is kept, and we try again.";

export async function account() {
  const who = await customer();
  if (pending(who)) {
    // its order belongs to who began it, and is found by nobody else
    return { title: "Account", content: h("div", { class: "narrow" }, h("h1", {}, "First your payment"),
      h("p", { class: "note" }, "A payment of yours has no answer yet. Let us finish it before you log in or out."), h("a", { class: "btn", href: "/checkout" }, "Finish the payment")) };
  }
  if (who?.kind === "user") {
    const said = h("div", {});
    const leave = () => logOut().then(forgetLeft).then(load).then(() => go("/"), (error) => said.replaceChildren(problem(error)));
    const ask = async () => {
      // the guest's session ends as well, and with it what is still in its cart
      if (cartIsLeft()) await load().catch(() => {});
      if (!cartIsLeft()) return leave();
      said.replaceChildren(h("div", { class: "error", role: "alert" }, h("p", {}, `${LEFT_WORDS} If you log out now, it is lost.`),
        h("button", { class: "plain", type: "button", onclick: leave }, "Log out all the same")));
    };
    return { title: "Account", content: h("div", { class: "narrow" }, h("h1", {}, who.name ? `Hello ${who.name}` : "Your account"),
      h("div", { class: "card box" }, h("p", {}, who.email), h("p", { class: "row" }, h("a", { class: "btn", href: "/orders" }, "Your orders"),
        h("button", { class: "plain", type: "button", onclick: ask }, "Log out")), said)) };
  }
  return { title: "Log in", content: h("div", {}, h("h1", {}, "Welcome"),
    h("p", { class: "lead" }, "You can buy without an account. With one, your cart and your orders are there on every device."),
    h("div", { class: "halves" }, form("Log in", "current", who), form("Register", "new", who))) };
}

function form(title, kind, guest) {
  const said = h("div", {});
  const fresh = kind === "new";
  const button = h("button", { class: "wide" }, title);
  async function submit(event) {
    event.preventDefault();
    if (button.disabled) return;
    // begun in another window since this form is shown
    if (pending(guest)) return go("/account");
    const form = event.target;
    const data = Object.fromEntries(new FormData(form));
    said.replaceChildren();
    forgive(form);
    button.disabled = true;
    try {
      // before the login: its answer may be lost
      if (guest) leaveCart();
      const who = fresh ? await register(data["new-name"], data["new-email"], data["new-password"]) : await logIn(data["current-email"], data["current-password"]);
      const merged = cartIsLeft() ? await mergeGuest().catch(() => null) : null;
      const welcome = `Welcome${who?.name ? `, ${who.name}` : ""}.`;
      if (!merged) await load().catch(() => {});
      go(merged?.items.length ? "/cart" : "/");
      toast(merged?.notes[0] ?? (cartIsLeft() ? `${welcome} ${LEFT_WORDS}` : welcome));
    } catch (error) {
      button.disabled = false;
      // 401 is no ended session here, and does not say which of the two is wrong
      const wrong = error.status === 401 ? "password" : error.fields?.find((name) => form.querySelector(`#${kind}-${name}`));
      if (!wrong) return said.replaceChildren(problem(error));
      const input = form.querySelector(`#${kind}-${wrong}`);
      complain(input, error.status === 401 ? "This address and password do not belong together." : `${error.message.replace(`${wrong}:`, CALLED[wrong])}.`);
      input.focus();
    }
  }
  return h("form", { class: "card box", onsubmit: submit, oninput: ({ target, currentTarget }) => target.hasAttribute("aria-invalid") && forgive(currentTarget), "aria-labelledby": `${kind}-title` }, h("h2", { id: `${kind}-title` }, title),
    fresh && field("Name (optional)", { id: "new-name", autocomplete: "name", maxlength: 100 }),
    field("E-mail", { id: `${kind}-email`, type: "email", autocomplete: fresh ? "email" : "username", required: true }),
    field("Password", { id: `${kind}-password`, type: "password", autocomplete: `${kind}-password`, required: true, minlength: fresh && 10 }, fresh ? "10 characters or more, any of them." : undefined),
    button, said);
}

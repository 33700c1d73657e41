/** The checkout: where to, for how much, and paying once. */

import { ask } from "../api.js";
import { load, ship, takeOut } from "../cart.js";
import { announce, complain, empty, forgive, h, price, problem, sum } from "../dom.js";
import { begin, end, foreign, ofOthers, pending, send } from "../pending_payment.js";
import { go } from "../router.js";
import { customer, customerOrGuest, forget } from "../session.js";
import { addressFields } from "./address.js";
import { cardFields, looksRight } from "./card.js";
import { cityFields, named } from "./city.js";
import { ofSomebodyElse, unfinished } from "./unfinished.js";

const ENDED = "Your session has ended, and nothing was charged. Please log in again to pay.";
/** Pauses before a payment without an answer is asked for again. */
const AGAIN_MS = [1500, 3000, 6000];
const DECLINED = "Your card was declined and nothing was charged. Please try another one.";

export async function checkout({ signal }) {
  const who = await customer();
  const left = pending(who);
  if (left) return { title: "Finishing your payment", content: unfinished(left, signal) };
  const others = ofOthers(who);
  if (others.length) return { title: "A payment without an answer", content: ofSomebodyElse(others) };
  const state = sold(await load());
  if (!state.items.length) return { title: "Checkout", content: empty("Nothing to pay for", "Your cart is empty.") };
  return { title: "Checkout", content: await form(state, signal) };
}

/** With a total, a line without a price is one that is not sold: it stays in the cart. @param {any} cart */
function sold(cart) {
  return cart.totalMinor === null ? cart : { ...cart, items: cart.items.filter((line) => line.priceMinor !== null) };
}

async function form(state, signal) {
  const said = h("div", {});
  const cost = h("div", { class: "quote", role: "status" });
  const bill = h("div", {});
  const button = h("button", { class: "wide" }, "Pay");
  const card = cardFields();
  let quote = null;
  // how often a city was chosen: an answer about the one before is nobody's
  let choice = 0;
  let paying = false;

  const total = () => (quote && state.totalMinor !== null ? state.totalMinor + quote.priceMinor : null);
  function draw() {
    bill.replaceChildren(...state.items.map((line) => sum(`${line.name ?? line.sku} × ${line.quantity}`, line.priceMinor === null ? "–" : price(line.priceMinor * line.quantity))),
      sum("Shipping", quote ? price(quote.priceMinor) : "choose a city"), sum("Total", total() === null ? "–" : price(total()), "total"));
    button.textContent = total() === null ? "Pay" : `Pay ${price(total())}`;
  }
  async function chosen(city) {
    const mine = ++choice;
    quote = null;
    draw();
    cost.replaceChildren();
    if (!city) return;
    // it is chosen with a click or Enter, which is no input
    if (places.querySelector("[aria-invalid]")) clear();
    cost.replaceChildren(h("p", { class: "quiet" }, "Asking what shipping costs …"));
    try {
      const products = await asSold(state.items, signal);
      const found = await ask("shipping", `/quotes?city=${city.id}&weight=${grams(products, state.items)}`, { signal, fresh: true });
      if (mine !== choice) return;
      Object.assign(state, priced(state.items, products));
      quote = found;
      cost.replaceChildren(h("p", {}, h("b", {}, `Shipping to ${named(found.city)}: ${price(found.priceMinor)}`)),
        ...found.parts.map((part) => sum(part.name, price(part.priceMinor), "small")));
      draw();
    } catch (error) {
      if (!signal.aborted && mine === choice) cost.replaceChildren(problem(error, () => chosen(city)));
    }
  }
  const before = state.shipping && (await ask("shipping", `/quotes?city=${Number(state.shipping.city)}&weight=1`, { signal }).catch(() => null));
  const places = await cityFields({ chosen: before?.city ?? null, signal, change: chosen });
  const known = await customer().catch(() => null);
  const address = addressFields({ places, country: () => places.querySelector("#country").value, name: known?.name ?? "" });
  const fields = h("fieldset", { class: "plainset", oninput: ({ target }) => target.hasAttribute("aria-invalid") && clear() },
    step(1, "Where to", address.element, cost), step(2, "Your card", card.element));
  draw();
  if (before) chosen(before.city);

  function clear() {
    said.replaceChildren();
    forgive(fields);
  }
  /** Say it at its field, where a small window shows it, or else below the button. */
  function wrong(message, element) {
    clear();
    if (element) complain(element, message);
    else said.append(h("p", { class: "error", role: "alert" }, message));
    element?.focus();
  }
  async function pay(event) {
    event.preventDefault();
    if (paying) return;
    const amiss = address.wrong();
    if (amiss) return wrong(amiss.message, amiss.input);
    if (!quote) return wrong("Please choose a city to ship to.", places.querySelector("#city"));
    if (!looksRight(card.number.value)) return wrong("This is no card number. Please look at its digits again.", card.number);
    paying = true;
    clear();
    // what is agreed to now is what is paid, whatever is clicked or typed while something is waited for
    const { city } = quote;
    const body = { items: state.items.map(({ sku, quantity }) => ({ sku, quantity })), shipping: { city: city.id, address: address.read() },
      ...(total() !== null && { expectedTotalMinor: total() }), card: card.read() };
    lock();
    try {
      await ship(city.id).catch(() => {});
      // after what may have found out that the session has ended
      const who = await customerOrGuest();
      if (pending(who)) return go("/checkout");
      if (known?.kind === "user" && who.id !== known.id) throw new Error(ENDED);
      await attempt(begin(who, body), false);
    } catch (error) {
      unlock();
      wrong(error.message);
    } finally {
      paying = false;
    }
  }
  /** Send it until there is an answer; the same request each time. `doubtful`: it may have arrived before. */
  async function attempt(payment, doubtful) {
    lock();
    announce("Paying");
    for (let tries = 0; ; tries++) {
      try {
        return await done(payment, await send(payment));
      } catch (error) {
        const elses = foreign(error);
        if (elses) forget();
        if (elses && doubtful) return signal.aborted || go("/checkout");
        if (!error.unanswered && !(error.status === 403 && doubtful)) {
          end(payment);
          return refused(error);
        }
        doubtful = true;
        if (tries >= AGAIN_MS.length || signal.aborted) return stuck(payment, error);
        said.replaceChildren(h("p", { class: "note", role: "status" }, "No answer yet. We ask again; you pay once only."));
        await new Promise((wake) => setTimeout(wake, AGAIN_MS[tries]));
      }
    }
  }
  async function done(payment, paid) {
    end(payment);
    await takeOut(payment.body.items).catch(() => {});
    if (!signal.aborted) go(`/orders/${encodeURIComponent(paid.orderId)}`);
  }
  function stuck(payment, error) {
    button.textContent = "Waiting for an answer";
    said.replaceChildren(problem(new Error(`${error.message} Your payment is kept as it is: asking again does not charge you twice.`), () => {
      said.replaceChildren();
      attempt(payment, true);
    }));
  }
  function lock() {
    fields.disabled = true;
    button.disabled = true;
    button.textContent = "Paying …";
  }
  function unlock() {
    fields.disabled = false;
    button.disabled = false;
    draw();
    // where it was before the button lost it
    if (!signal.aborted && document.activeElement === document.body) button.focus({ preventScroll: true });
  }
  async function refused(error) {
    // the price of shipping may be another one as well
    if (error.code === "price_changed" && quote) await chosen(quote.city);
    unlock();
    const at = address.named(error.fields[0] ?? "");
    if (at) return wrong(error.message.replace(error.fields[0], at.label), at.input);
    const text = error.code === "price_changed" && total() !== null ? `${error.message}. Pay if you agree.` : words(error, state.items, known);
    wrong(text, error.code === "card_declined" || error.fields.includes("card.number") ? card.number : null);
    if (error.code === "out_of_stock") said.append(h("p", {}, h("a", { href: "/cart" }, "Change the cart")));
  }
  return h("div", {}, h("h1", {}, "Checkout"), h("form", { class: "split", novalidate: true, onsubmit: pay }, fields,
    h("section", { class: "card box sticky", "aria-label": "What you pay" }, h("h2", {}, "Your order"), bill, button, said,
      h("p", { class: "hint" }, "Of your card we keep the last four digits."))));
}

/** What a refusal is called for people. */
function words(error, items, known) {
  if (foreign(error)) return known?.kind === "user" ? ENDED : "Your session had ended, and nothing was charged. Please pay again.";
  if (error.code === "card_declined") return DECLINED;
  if (error.code !== "out_of_stock") return error.message;
  const line = items[Number(/^items\[(\d+)\]/.exec(error.fields[0] ?? "")?.[1])];
  return `Somebody was faster: there is not enough left of ${line?.name ?? "a course"}. Nothing was charged.`;
}

function step(number, title, ...content) {
  return h("section", { class: "card box step" }, h("h2", {}, h("span", { class: "number", "aria-hidden": "true" }, String(number)), title), ...content);
}

/** @returns {Promise<any[]>} the products as payment sells them: the cart's prices, and those that the browser has kept, may be a while old */
const asSold = (items, signal) => Promise.all(items.map((line) => ask("catalogue", `/products/${encodeURIComponent(line.sku)}`, { signal, fresh: true })));

/** @returns {number} what all of it weighs */
const grams = (products, items) => products.reduce((weight, product, index) => weight + product.weightGrams * items[index].quantity, 0);

/** @returns {{items: any[], totalMinor: number}} the lines at the products' prices */
function priced(items, products) {
  const lines = items.map((line, index) => ({ ...line, name: products[index].name, priceMinor: products[index].priceMinor }));
  return { items: lines, totalMinor: lines.reduce((total, line) => total + line.priceMinor * line.quantity, 0) };
}

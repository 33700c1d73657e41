/** Choosing a city: a country, and a combobox that looks for cities while somebody types. */

import { ask } from "../api.js";
import { announce, h } from "../dom.js";

const HOME = "IN";
const TYPING_MS = 200;
const SHOWN = 8;

/** @param {{name: string, region: string}} city @returns {string} */
export const named = (city) => (city.region ? `${city.name}, ${city.region}` : city.name);

/**
 * @param {{chosen: any, signal: AbortSignal, change: (city: any) => void}} options `change` is told the city, or null
 * @returns {Promise<HTMLElement>} two fields
 */
export async function cityFields({ chosen, signal, change }) {
  const found = await ask("shipping", "/countries", { signal }).then((answer) => answer.countries, () => [{ code: HOME, name: "India" }]);
  let options = [];
  let active = -1;
  let asked = 0;
  let waiting = 0;

  const list = h("ul", { class: "options", id: "cities", role: "listbox", "aria-label": "Cities", hidden: true });
  const input = h("input", { id: "city", role: "combobox", autocomplete: "off", maxlength: 64, spellcheck: "false", "aria-autocomplete": "list", "aria-controls": "cities", "aria-expanded": "false",
    "aria-describedby": "city-hint", value: chosen ? named(chosen) : "", placeholder: "Begin to type, as in Mum", oninput: type, onkeydown: key, onblur: () => setTimeout(close, 150),
    onfocus: () => input.select() });
  const country = h("select", { id: "country", autocomplete: "country", onchange: () => {
    input.value = "";
    change(null);
    close();
  } }, ...found.map(({ code, name }) => h("option", { value: code, selected: code === (chosen?.country ?? HOME) }, name)));

  function type() {
    change(null);
    clearTimeout(waiting);
    waiting = setTimeout(look, TYPING_MS);
  }
  async function look() {
    const q = input.value.trim();
    const mine = ++asked;
    if (!q) return close();
    try {
      const answer = await ask("shipping", `/cities?${new URLSearchParams({ country: country.value, q, limit: String(SHOWN) })}`, { signal });
      if (mine === asked) open(answer.cities, `No city in ${country.selectedOptions[0].text} begins like that.`);
    } catch (error) {
      if (!signal.aborted && mine === asked) open([], error.message);
    }
  }
  function open(cities, none) {
    options = cities;
    active = -1;
    list.replaceChildren(...(cities.length ? cities.map((city, index) => h("li", { role: "option", id: `city-${index}`, "aria-selected": "false",
      // before the field loses the focus
      onpointerdown: (event) => {
        event.preventDefault();
        choose(index);
      } }, h("b", {}, city.name), city.region && ` ${city.region}`)) : [h("li", { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, none)]));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    announce(cities.length ? `${cities.length} cities, choose with the arrow keys` : none);
  }
  function close() {
    asked++;
    list.hidden = true;
    options = [];
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function move(by) {
    active = (active + by + options.length) % options.length;
    [...list.children].forEach((option, index) => option.setAttribute("aria-selected", String(index === active)));
    list.children[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", `city-${active}`);
  }
  function choose(index) {
    const city = options[index];
    input.value = named(city);
    close();
    change(city);
  }
  function key(event) {
    if (event.key === "Enter") {
      // it chooses, and does not pay
      event.preventDefault();
      if (options.length) choose(Math.max(active, 0));
      else look();
    } else if (event.key === "Escape") {
      close();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && options.length) {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : active < 0 ? 0 : -1);
    } else if (event.key === "ArrowDown") {
      look();
    }
  }
  return h("div", { class: "pair" }, h("div", { class: "field" }, h("label", { for: "country" }, "Country"), country),
    h("div", { class: "field combo" }, h("label", { for: "city" }, "City"), input, list, h("p", { class: "hint", id: "city-hint" }, "Its beginning is enough, then choose.")));
}

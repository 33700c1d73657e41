/** Where in the city: its fields, and what can be seen to be wrong without asking anybody. */

import { field, h } from "../dom.js";

// all other countries that are shipped to have postal codes
const WITHOUT_POSTAL_CODES = ["AE", "QA"];

const LABELS = { name: "Name", street: "Street and number", postalCode: "Postal code", phone: "Phone" };
const WRONG = {
  name: "please say who it is for.",
  street: "please say where in the city.",
  postalCode: "please type it in letters and digits.",
  phone: "please type a number of 7 to 15 digits.",
};

/**
 * @param {{places: HTMLElement, country: () => string, name: string}} options `places` are the fields of country and city, `country` is its code
 * @returns {{element: HTMLElement, read: () => Object<string, string>, wrong: () => {message: string, input: HTMLInputElement}|null, named: (path: string) => {label: string, input: HTMLInputElement}|null}}
 */
export function addressFields({ places, country, name }) {
  const element = h("div", {},
    entry("name", { autocomplete: "shipping name", maxlength: 100, value: name }),
    entry("street", { autocomplete: "shipping address-line1", maxlength: 200 }),
    places,
    h("div", { class: "pair" },
      entry("postalCode", { required: false, autocomplete: "shipping postal-code", maxlength: 12 }),
      entry("phone", { type: "tel", autocomplete: "shipping tel", maxlength: 32 }, "For the courier only.")));
  const input = (key) => /** @type {HTMLInputElement} */ (element.querySelector(`#ship-${key}`));
  const text = (key) => input(key).value.trim();

  const right = {
    name: () => text("name"),
    street: () => text("street"),
    postalCode: () => (text("postalCode") ? /^[a-z0-9 -]*[a-z0-9][a-z0-9 -]*$/i.test(text("postalCode")) : WITHOUT_POSTAL_CODES.includes(country())),
    phone: () => /^\+?[0-9 ./()-]+$/.test(text("phone")) && /^\d{7,15}$/.test(text("phone").replace(/\D/g, "")),
  };
  return {
    element,
    read: () => Object.fromEntries(Object.keys(LABELS).map((key) => [key, text(key)])),
    wrong() {
      const key = Object.keys(LABELS).find((each) => !right[each]());
      return key ? { message: `${LABELS[key]}: ${WRONG[key]}`, input: input(key) } : null;
    },
    // a field as the payment service calls it
    named(path) {
      const key = path.replace(/^shipping\.address\./, "");
      return LABELS[key] ? { label: LABELS[key], input: input(key) } : null;
    },
  };
}

function entry(key, props, hint) {
  return field(LABELS[key], { id: `ship-${key}`, required: true, ...props }, hint);
}

/** @param {Object<string, string>} where @returns {HTMLElement} an address as it stands on a parcel */
export function addressLines(where) {
  const country = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" }).of(where.country);
  const lines = [where.name, where.street, `${where.city} ${where.postalCode}`.trim(), [where.region, country].filter(Boolean).join(", "), where.phone];
  return h("address", {}, ...lines.flatMap((line, index) => (index ? [h("br"), line] : [line])));
}

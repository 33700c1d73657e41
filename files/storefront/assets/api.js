/** Requests to the services behind /api/, and their errors. */

const TIMEOUT_MS = 15_000;
const NAMES = { catalogue: "The catalogue", user: "The login", cart: "The cart", payment: "The payment", shipping: "Shipping" };

/** Services that did not answer when they were last asked. @type {Set<string>} */
const away = new Set();

/** An answer that is none, or not what was hoped for; its message is for people. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status 0 when there was no answer
   * @param {{code?: string, errors?: {field: string, message: string}[]}} [problem] the problem document
   */
  constructor(message, status, problem) {
    super(message);
    this.status = status;
    this.code = problem?.code ?? "";
    this.fields = (problem?.errors ?? []).map((error) => error.field);
  }

  /** Whether nobody can tell if the request had an effect. @returns {boolean} */
  get unanswered() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Ask a service.
 * @param {string} service @param {string} path
 * @param {{method?: string, body?: unknown, headers?: Object<string, string>, signal?: AbortSignal, fresh?: boolean}} [options] `fresh`: not what the browser has kept
 * @returns {Promise<any>} the answer's JSON, or null when it has no body
 */
export async function ask(service, path, { method = "GET", body, headers = {}, signal, fresh = false } = {}) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response;
  let answer = null;
  try {
    response = await fetch(`/api/${service}${path}`, {
      method,
      credentials: "same-origin",
      cache: fresh ? "no-cache" : "default",
      // the proof that no other site's form sent this
      headers: { "X-Requested-With": "storefront", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const text = await response.text();
    if (/json/.test(response.headers.get("Content-Type") ?? "") && text) answer = JSON.parse(text);
  } catch (error) {
    if (signal?.aborted) throw error;
    tell(service, true);
    throw new ApiError(`${NAMES[service]} cannot be reached at the moment.`, 0);
  }
  tell(service, response.status >= 500);
  if (response.ok) return answer;
  throw new ApiError(message(service, response.status, answer), response.status, answer ?? undefined);
}

/** @param {string} service @param {number} status @param {any} answer @returns {string} */
function message(service, status, answer) {
  if (status === 429) return "That was a little fast. Please wait a moment and try again.";
  if (status >= 500) return `${NAMES[service]} is not available at the moment.`;
  if (status === 401) return "Your session has ended. Please log in again.";
  return answer?.detail ?? answer?.title ?? `${NAMES[service]} did not accept that (${status}).`;
}

/** Show which services are away, at the foot of the window so that nothing moves. */
function tell(service, isAway) {
  if (isAway === away.has(service)) return;
  if (isAway) away.add(service);
  else away.delete(service);
  const banner = document.getElementById("away");
  banner.hidden = away.size === 0;
  banner.textContent = `${[...away].map((name) => NAMES[name].replace("The ", "the ")).join(", ").replace(/^./, (first) => first.toUpperCase())} ${
    away.size > 1 ? "are" : "is"} not available at the moment. The rest of the shop works.`;
}

/** Requests to the services behind /api/, and their errors. */

const TIMEOUT_MS = 15_000;
const NAMES = { catalogue: "The catalogue", user: "The login", cart: "The cart", payment: "The payment", shipping: "Shipping" };

/** An answer that is none, or not what was hoped for; its message is for people. */
export class ApiError extends Error {
  /** @param {string} message @param {number} status 0 when there was no answer */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Ask a service.
 * @param {string} service @param {string} path
 * @param {{method?: string, body?: unknown, headers?: Object<string, string>, signal?: AbortSignal}} [options]
 * @returns {Promise<any>} the answer's JSON, or null when it has no body
 */
export async function ask(service, path, { method = "GET", body, headers = {}, signal } = {}) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response;
  let answer = null;
  try {
    response = await fetch(`/api/${service}${path}`, {
      method,
      credentials: "same-origin",
      // the proof that no other site's form sent this
      headers: { "X-Requested-With": "storefront", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const text = await response.text();
    if (/json/.test(response.headers.get("Content-Type") ?? "") && text) answer = JSON.parse(text);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(`${NAMES[service]} cannot be reached at the moment.`, 0);
  }
  if (response.ok) return answer;
  throw new ApiError(message(service, response.status, answer), response.status);
}

/** @param {string} service @param {number} status @param {any} answer @returns {string} */
function message(service, status, answer) {
  if (status === 429) return "That was a little fast. Please wait a moment and try again.";
  if (status >= 500) return `${NAMES[service]} is not available at the moment.`;
  return answer?.detail ?? answer?.title ?? `${NAMES[service]} did not accept that (${status}).`;
}

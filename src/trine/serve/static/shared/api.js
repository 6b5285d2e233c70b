// Questions to the service: JSON, pictures, streams; its refusals as errors in words.

const TOKEN = "trine-token";

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** The answer to a question: `json` or `form` makes it a POST. */
export async function ask(path, { json, form, signal } = {}) {
  return (await answered(path, { json, form, signal })).json();
}

/** A file of the service as an address for <img>; the token goes with it. */
export async function pictureAddress(path) {
  return URL.createObjectURL(await (await answered(path)).blob());
}

/** Server-sent events, read with fetch because an EventSource sends no token. Calls `each` until `signal` ends it. */
export async function listen(path, each, signal) {
  const reader = (await answered(path, { signal })).body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").find((line) => line.startsWith("data: "));
      if (data) each(JSON.parse(data.slice(6)));
    }
  }
}

/** A busy service is asked again after the time that it names. */
async function answered(path, options, tries = 3) {
  try {
    return await answeredOnce(path, options);
  } catch (problem) {
    if (problem.status !== 429 || tries < 2) throw problem;
    await new Promise((done) => setTimeout(done, 1000 * problem.seconds));
    return answered(path, options, tries - 1);
  }
}

async function answeredOnce(path, { json, form, signal } = {}) {
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const body = json !== undefined ? JSON.stringify(json) : form;
  let response;
  try {
    response = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body, signal });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Refused("The service does not answer. Is `trine serve` still running?", 0);
  }
  if (response.ok) return response;
  const refused = new Refused(await reason(response), response.status);
  refused.seconds = Math.min(10, +response.headers.get("Retry-After") || 1);
  throw refused;
}

async function reason(response) {
  if (response.status === 429) {
    return "The service is busy: try again in a moment.";
  }
  try {
    return (await response.json()).error;
  } catch {
    return `The service answered ${response.status}.`;
  }
}

/** Pictures as a form, under the name that the route wants. */
export function formOf(name, files) {
  const form = new FormData();
  for (const file of files) form.append(name, file, file.name ?? "picture.png");
  return form;
}

const KINDS = { uint8: Uint8Array, float32: Float32Array };

/** An array of the service as a typed array with its shape. */
export function arrayOf({ dtype, shape, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return { shape, data: new KINDS[dtype](bytes.buffer) };
}

/** The parts of an array along its first axis. */
export function partsOf({ shape, data }) {
  const size = shape.slice(1).reduce((product, side) => product * side, 1);
  return Array.from({ length: shape[0] }, (_, index) => ({
    shape: shape.slice(1),
    data: data.subarray(index * size, (index + 1) * size),
  }));
}

/** Answers in turn: while one is awaited, only the latest question waits. */
export function latest(question, onAnswer, onError) {
  let waiting = null;
  let busy = false;
  return async function next(value) {
    if (busy) {
      waiting = { value };
      return;
    }
    busy = true;
    try {
      onAnswer(await question(value), value);
    } catch (problem) {
      onError(problem);
    } finally {
      busy = false;
    }
    if (waiting) {
      const { value: following } = waiting;
      waiting = null;
      next(following);
    }
  };
}

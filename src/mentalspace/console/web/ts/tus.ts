// Speaks tus 1.0 with our own storage surface: create, ask, send a piece, give up.
// source: https://tus.io/protocols/resumable-upload
import type { Session } from "./session.js";
import { done, failed, type Outcome, type Trouble } from "./trouble.js";

const VERSION = "1.0.0";
// No byte moved for so long: the line is dead, though nothing has said so.
const STALLED_MS = 30_000;
const USUAL_PAUSE_MS = 2_000;

export type Place = { bucket: string; name: string };
export type About = { contentType: string; metadata: Record<string, string>; label: string };
export type Created = { url: string; until: number | null };

export class Tus {
  #endpoint: string;
  #session: Session;

  constructor(endpoint: string, session: Session) {
    this.#endpoint = endpoint;
    this.#session = session;
  }

  // Where to send the bytes. Nothing of the file has left yet.
  async create(size: number, place: Place, about: About): Promise<Outcome<Created>> {
    const metadata: Record<string, string> = {
      bucketName: place.bucket,
      objectName: place.name,
      contentType: about.contentType,
      metadata: JSON.stringify(about.metadata),
    };
    if (about.label !== "") metadata["documentLabel"] = about.label;
    const asked = await this.#ask("POST", this.#endpoint, {
      "upload-length": String(size),
      "upload-metadata": encode(metadata),
    });
    if (!asked.ok) return asked;
    const location = asked.value.headers.get("location");
    if (location === null) return failed({ kind: "refused", http: asked.value.status });
    const expires = Date.parse(asked.value.headers.get("upload-expires") ?? "");
    // Only the path: behind a proxy the server may not know what we call it.
    const url = new URL(location, new URL(this.#endpoint, document.baseURI)).pathname;
    return done({ url, until: Number.isNaN(expires) ? null : expires });
  }

  // How much of it the server has.
  async offset(url: string): Promise<Outcome<number>> {
    const asked = await this.#ask("HEAD", url, {});
    if (!asked.ok) return asked;
    const offset = Number(asked.value.headers.get("upload-offset"));
    return Number.isSafeInteger(offset) ? done(offset) : failed({ kind: "gone" });
  }

  async giveUp(url: string): Promise<Outcome<null>> {
    const asked = await this.#ask("DELETE", url, {});
    return asked.ok || asked.trouble.kind === "gone" ? done(null) : asked;
  }

  // Sends one piece; the new offset. `sent` hears of each stretch that left, which may yet be lost.
  async send(
    url: string,
    offset: number,
    piece: Blob,
    sent: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Outcome<number>> {
    const answer = await patch(url, offset, piece, this.#session.token, sent, signal);
    if (answer === null) return failed({ kind: "offline" });
    if (answer.http === 409) {
      const now = await this.offset(url);
      return now.ok ? failed({ kind: "moved", offset: now.value }) : now;
    }
    if (answer.http >= 200 && answer.http < 300) {
      const next = Number(answer.offset);
      return done(answer.offset !== null && Number.isSafeInteger(next) ? next : offset + piece.size);
    }
    return failed(await this.#trouble(answer.http, answer.retryAfter, answer.text));
  }

  async #ask(method: string, url: string, headers: Record<string, string>): Promise<Outcome<Response>> {
    for (let renewed = false; ; renewed = true) {
      let answer: Response;
      try {
        answer = await fetch(url, {
          method,
          headers: { "tus-resumable": VERSION, "x-csrf-token": this.#session.token, ...headers },
          cache: "no-store",
          redirect: "error",
          signal: AbortSignal.timeout(STALLED_MS),
        });
      } catch {
        return failed({ kind: "offline" });
      }
      if (answer.ok) return done(answer);
      const text = method === "HEAD" ? "" : await answer.text().catch(() => "");
      const trouble = await this.#trouble(answer.status, answer.headers.get("retry-after"), text);
      // A log-in since: the page has its new token, and asks once more.
      if (trouble.kind === "busy" && trouble.afterMs === 0 && !renewed) continue;
      return failed(trouble);
    }
  }

  // Older ways to answer say 400 for nearly everything, and what was meant in the body.
  async #trouble(http: number, retryAfter: string | null, text: string): Promise<Trouble> {
    const meant = /"statusCode"\s*:\s*"(\d{3})"/.exec(text);
    const status = meant?.[1] !== undefined ? Number(meant[1]) : http;
    if (status === 404 || status === 410) return { kind: "gone" };
    if (status === 413) return { kind: "too_large", most: 0 };
    if (status === 415) return { kind: "wrong_type" };
    if (status === 422) return { kind: "harmful" };
    if (status === 423 || status === 429 || status === 409 || status >= 500) {
      const seconds = Number(retryAfter);
      return { kind: "busy", afterMs: retryAfter !== null && seconds > 0 ? seconds * 1000 : USUAL_PAUSE_MS };
    }
    if (status !== 400 && status !== 401 && status !== 403) return { kind: "refused", http: status };
    switch (await this.#session.look()) {
      case "ended":
        return { kind: "expired" };
      case "another":
        return { kind: "another" };
      case "renewed":
        return { kind: "busy", afterMs: 0 };
      case "unknown":
        return { kind: "offline" };
      case "same":
        return status === 400 ? { kind: "refused", http: status } : { kind: "not_allowed" };
    }
  }
}

type Patched = { http: number; offset: string | null; retryAfter: string | null; text: string };

// XMLHttpRequest, because fetch does not tell how much of a body has left. Null: no answer came.
function patch(
  url: string,
  offset: number,
  piece: Blob,
  token: string,
  sent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Patched | null> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let watch = 0;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => request.abort(), STALLED_MS);
    };
    const end = (answer: Patched | null) => {
      clearTimeout(watch);
      signal.removeEventListener("abort", stop);
      resolve(answer);
    };
    const stop = () => request.abort();
    request.open("PATCH", url);
    request.setRequestHeader("tus-resumable", VERSION);
    request.setRequestHeader("x-csrf-token", token);
    request.setRequestHeader("upload-offset", String(offset));
    request.setRequestHeader("content-type", "application/offset+octet-stream");
    request.upload.addEventListener("progress", (event) => {
      alive();
      sent(event.loaded);
    });
    request.addEventListener("load", () =>
      end({
        http: request.status,
        offset: request.getResponseHeader("upload-offset"),
        retryAfter: request.getResponseHeader("retry-after"),
        text: request.responseText,
      }),
    );
    for (const kind of ["error", "abort", "timeout"]) request.addEventListener(kind, () => end(null));
    signal.addEventListener("abort", stop);
    alive();
    if (signal.aborted) end(null);
    else request.send(piece);
  });
}

function encode(metadata: Record<string, string>): string {
  return Object.entries(metadata)
    .map(([name, value]) => `${name} ${base64(value)}`)
    .join(",");
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

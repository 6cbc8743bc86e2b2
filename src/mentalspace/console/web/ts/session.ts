// The console's session, as the page knows it: a cookie that no script can read, and the token that
// was written into the page. No token of the API ever reaches the browser.

export type Standing = "same" | "renewed" | "ended" | "another" | "unknown";

export class Session {
  #page: string;
  #person: string;
  #token: string;

  constructor(page: string, person: string, token: string) {
    this.#page = page;
    this.#person = person;
    this.#token = token;
  }

  get token(): string {
    return this.#token;
  }

  // Opens the page again to learn how things stand: after a new log-in it carries another token.
  async look(): Promise<Standing> {
    let text: string;
    try {
      const answer = await fetch(`${this.#page}?fragment=1`, { cache: "no-store", redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401) return "ended";
      if (answer.status === 403 || answer.status === 404) return "another";
      if (!answer.ok) return "unknown";
      text = await answer.text();
    } catch {
      return "unknown";
    }
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const shown = fresh.querySelector<HTMLElement>("[data-uploads]");
    if (shown === null || shown.dataset["person"] !== this.#person) return "another";
    const token = shown.dataset["csrf"] ?? "";
    const changed = token !== this.#token;
    this.#token = token;
    return changed ? "renewed" : "same";
  }
}

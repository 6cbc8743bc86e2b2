// One file on its way: piece by piece, through lost lines, pauses and log-ins, until it is kept.
import * as journal from "./journal.js";
import { check, type Kind, type Limits } from "./checks.js";
import { Meter } from "./meter.js";
import type { Tus } from "./tus.js";
import { failed, type Outcome, type Trouble } from "./trouble.js";

// As the storage surface's documentation asks: every piece but the last.
const PIECE = 6 * 1024 * 1024;
const BACKOFF_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

export type State =
  | { name: "checking" }
  | { name: "sending" }
  | { name: "paused" }
  | { name: "waiting" } // for the line, and tries again by itself
  | { name: "expired" } // for a log-in
  | { name: "failed"; trouble: Trouble }
  | { name: "done" }
  | { name: "cancelled" };

export type Target = Limits & { bucket: string; folder: string; person: string };
// The label is the law's word for what is in it; the server knows which there are.
export type Named = { called: string; side?: string; label?: string };

export class Upload {
  readonly file: File;
  readonly named: Named;
  state: State = { name: "checking" };
  sent = 0;
  readonly meter = new Meter();
  changed: () => void = () => undefined;

  #tus: Tus;
  #target: Target;
  #survives: boolean;
  #key: string | null = null;
  #url: string | null = null;
  #stop = new AbortController();
  #wake: () => void = () => undefined;
  #failures = 0;

  // A photo that was made smaller here is not made the same twice: it does not survive its tab.
  constructor(file: File, named: Named, tus: Tus, target: Target, survives: boolean) {
    this.file = file;
    this.named = named;
    this.#tus = tus;
    this.#target = target;
    this.#survives = survives;
  }

  get isOver(): boolean {
    return ["done", "failed", "cancelled"].includes(this.state.name);
  }

  async run(): Promise<void> {
    const checked = await this.#look();
    if (!checked.ok) return this.#set({ name: "failed", trouble: checked.trouble });
    while (!this.isOver) {
      if (this.state.name === "paused" || this.state.name === "expired") {
        await this.#rest(null);
        continue;
      }
      const step = await this.#step(checked.value);
      if (this.isOver || this.#is("paused")) continue;
      if (!step.ok) await this.#meet(step.trouble);
      // An upload that was only begun anew has proved nothing: it may be gone again at once.
      else if (this.sent > 0 || this.isOver) this.#failures = 0;
    }
  }

  pause(): void {
    if (this.isOver) return;
    this.#set({ name: "paused" });
    this.#interrupt();
  }

  // Also after a log-in, and when the line is back.
  goOn(): void {
    if (this.isOver || this.state.name === "sending" || this.state.name === "checking") return;
    this.#failures = 0;
    this.#set({ name: "sending" });
    this.#wake();
  }

  // The line went: what is on its way is lost, and is not waited for.
  lost(): void {
    if (this.state.name === "sending") this.#interrupt();
  }

  async cancel(): Promise<void> {
    const url = this.#url;
    if (this.isOver) return;
    this.#set({ name: "cancelled" });
    this.#interrupt();
    this.#forget();
    if (url !== null) await this.#tus.giveUp(url);
  }

  async #look(): Promise<Outcome<Kind>> {
    try {
      const checked = await check(this.file, this.#target);
      if (checked.ok) await this.#recall();
      return checked;
    } catch {
      return failed({ kind: "unreadable" });
    }
  }

  async #recall(): Promise<void> {
    if (!this.#survives) return;
    // Another label is another upload: the server has heard of the label as it began.
    const { folder } = this.#target;
    const place = this.named.label === undefined ? folder : `${folder}/${this.named.label}`;
    this.#key = await journal.digestOf(this.file, this.#target.bucket, place);
    this.#url = journal.find(this.#key, this.#target.person)?.url ?? null;
    this.#asked = this.#url === null;
  }

  // Whether the server's offset is known.
  #asked = true;

  async #step(kind: Kind): Promise<Outcome<unknown>> {
    if (this.#url === null) return this.#create(kind);
    if (!this.#asked) {
      const offset = await this.#tus.offset(this.#url);
      if (offset.ok) this.#at(offset.value);
      if (!offset.ok || !this.#isWhole) return offset;
    } else if (!this.#isWhole) {
      const sent = await this.#send(this.#url);
      if (!sent.ok || !this.#isWhole) return sent;
    }
    this.#forget();
    this.#set({ name: "done" });
    return { ok: true, value: null };
  }

  get #isWhole(): boolean {
    return this.sent >= this.file.size;
  }

  async #create(kind: Kind): Promise<Outcome<unknown>> {
    const { bucket, folder, person } = this.#target;
    const name = `${folder}/${crypto.randomUUID()}.${kind.extension}`;
    const metadata: Record<string, string> = { display_name: this.named.called };
    if (this.named.side !== undefined) metadata["side"] = this.named.side;
    const created = await this.#tus.create(
      this.file.size,
      { bucket, name },
      { contentType: kind.type, metadata, label: this.named.label ?? "" },
    );
    if (!created.ok) return created;
    const { url, until } = created.value;
    if (this.#is("cancelled")) return this.#tus.giveUp(url);
    this.#url = url;
    this.#at(0);
    if (this.#key !== null) {
      const at = Date.now();
      journal.write({ key: this.#key, url, size: this.file.size, at, bucket, folder, person }, until);
    }
    return created;
  }

  async #send(url: string): Promise<Outcome<unknown>> {
    const from = this.sent;
    const piece = this.file.slice(from, from + PIECE);
    this.#set({ name: "sending" });
    this.#stop = new AbortController();
    const sent = await this.#tus.send(url, from, piece, (bytes) => this.#progress(from + bytes), this.#stop.signal);
    if (sent.ok) this.#at(sent.value);
    else this.#asked = false;
    return sent;
  }

  async #meet(trouble: Trouble): Promise<void> {
    switch (trouble.kind) {
      case "moved":
        this.#at(trouble.offset);
        return;
      case "gone":
        this.#forget();
        this.#url = null;
        this.#at(0);
        this.#failures += 1;
        if (this.#failures > 2) this.#set({ name: "failed", trouble });
        return;
      case "expired":
        this.#asked = false;
        this.#set({ name: "expired" });
        return;
      case "busy":
      case "offline": {
        this.#asked = this.#url === null;
        const step = BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length - 1)]!;
        this.#failures += 1;
        const pause = trouble.kind === "busy" ? Math.max(trouble.afterMs, step) : step;
        this.meter.rest();
        this.#set({ name: "waiting" });
        await this.#rest(pause * (0.75 + Math.random() / 2));
        return;
      }
      case "another":
        this.#set({ name: "failed", trouble });
        return;
      case "not_allowed":
      case "refused":
      case "unreadable":
      case "empty":
      case "too_large":
      case "wrong_type":
      case "harmful":
        this.#forget();
        this.#set({ name: "failed", trouble });
    }
  }

  // Until the time is over, or somebody wakes it; null waits for somebody.
  #rest(forMs: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = forMs === null ? 0 : setTimeout(resolve, forMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #at(offset: number): void {
    this.#asked = true;
    this.#progress(offset);
  }

  #progress(bytes: number): void {
    this.sent = Math.min(bytes, this.file.size);
    this.meter.note(this.sent);
    this.changed();
  }

  #interrupt(): void {
    this.meter.rest();
    this.#stop.abort();
    this.#wake();
  }

  #forget(): void {
    if (this.#key !== null) journal.forget(this.#key);
  }

  #is(name: State["name"]): boolean {
    return this.state.name === name;
  }

  #set(state: State): void {
    if (this.#is("cancelled")) return;
    this.state = state;
    this.changed();
  }
}

// Makes the forms of a page of documents upload piece by piece. Without it they are plain forms.
import * as journal from "./journal.js";
import { preview, redraw } from "./camera.js";
import { button, make, show } from "./row.js";
import { Session } from "./session.js";
import { Tus } from "./tus.js";
import { Upload, type Named, type Target } from "./upload.js";
import { percent, say, size } from "./words.js";

// More at once only share the same line.
const AT_ONCE = 2;

class Desk {
  #root: HTMLElement;
  #session: Session;
  #tus: Tus;
  #logIn: string;
  #uploads: Upload[] = [];
  #running = 0;

  constructor(root: HTMLElement) {
    const { page = "", person = "", csrf = "", endpoint = "", logIn = "" } = root.dataset;
    this.#root = root;
    this.#session = new Session(page, person, csrf);
    this.#tus = new Tus(endpoint, this.#session);
    this.#logIn = logIn;
  }

  open(): void {
    for (const section of this.#root.querySelectorAll<HTMLElement>("[data-bucket]")) {
      const target = this.#target(section);
      for (const form of section.querySelectorAll("form")) {
        if (form.dataset["camera"] !== undefined) this.#photos(form, target, form.dataset["camera"]);
        else this.#files(form, target);
      }
      if (section.dataset["drop"] !== undefined) this.#drops(section, target);
      for (const entry of journal.unfinished(target.bucket, target.folder, target.person)) void this.#recall(entry);
    }
    addEventListener("offline", () => this.#uploads.forEach((upload) => upload.lost()));
    addEventListener("online", () => this.#wake("waiting"));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void this.#lookWhoIsHere();
    });
    addEventListener("focus", () => void this.#lookWhoIsHere());
    addEventListener("beforeunload", (event) => {
      if (this.#uploads.some((upload) => !upload.isOver)) event.preventDefault();
    });
  }

  #target(section: HTMLElement): Target {
    return {
      bucket: section.dataset["bucket"] ?? "",
      most: Number(section.dataset["most"]),
      types: (section.dataset["types"] ?? "").split(" "),
      folder: this.#root.dataset["folder"] ?? "",
      person: this.#root.dataset["person"] ?? "",
    };
  }

  #files(form: HTMLFormElement, target: Target): void {
    const input = form.querySelector<HTMLInputElement>("[data-file]");
    if (input === null) return;
    input.multiple = true;
    for (const plain of form.querySelectorAll<HTMLElement>("[data-plain]")) plain.hidden = true;
    for (const scripted of form.querySelectorAll<HTMLElement>("[data-scripted]")) scripted.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    const take = () => {
      for (const file of input.files ?? []) this.#add(file, named(file, form), target, true);
      input.value = ""; // so that the same file may be chosen again
    };
    input.addEventListener("change", take);
    if (input.files?.length) take(); // chosen before this ran
  }

  #drops(section: HTMLElement, target: Target): void {
    section.addEventListener("dragover", (event) => {
      event.preventDefault();
      section.classList.add("over");
    });
    section.addEventListener("dragleave", () => section.classList.remove("over"));
    section.addEventListener("drop", (event) => {
      event.preventDefault();
      section.classList.remove("over");
      for (const file of event.dataTransfer?.files ?? []) this.#add(file, named(file, section), target, true);
    });
  }

  #photos(form: HTMLFormElement, target: Target, side: string): void {
    const input = form.querySelector<HTMLInputElement>("[data-photo]");
    const canvas = form.querySelector("canvas");
    const choice = form.querySelector<HTMLElement>("[data-choice]");
    if (input === null || canvas === null || choice === null) return;
    for (const plain of form.querySelectorAll<HTMLElement>("[data-plain]")) plain.hidden = true;
    form.addEventListener("submit", (event) => event.preventDefault());
    const problem = make("p", "told bad");
    problem.setAttribute("role", "alert");
    choice.before(problem);
    const called = form.querySelector("label")?.textContent ?? side;
    let photo: Blob | null = null;
    const clear = () => {
      photo = null;
      canvas.hidden = choice.hidden = true;
      input.value = "";
    };
    input.addEventListener("change", async () => {
      const taken = input.files?.[0];
      problem.textContent = "";
      if (taken === undefined) return clear();
      photo = await redraw(taken, target.most);
      if (photo === null || !(await preview(photo, canvas))) {
        clear();
        problem.textContent = say("noPicture");
        return;
      }
      canvas.hidden = choice.hidden = false;
    });
    form.querySelector("[data-retake]")?.addEventListener("click", () => {
      clear();
      input.click();
    });
    form.querySelector("[data-use]")?.addEventListener("click", () => {
      if (photo === null) return;
      const file = new File([photo], "card.jpg", { type: "image/jpeg" });
      clear();
      input.focus();
      this.#add(file, { called, side }, target, false);
    });
  }

  #add(file: File, named: Named, target: Target, survives: boolean): void {
    if (this.#uploads.some((each) => !each.isOver && isSame(each.file, file))) return;
    const upload = new Upload(file, named, this.#tus, target, survives);
    this.#uploads.push(upload);
    const row = show(upload, target.most, this.#logIn, (text) => this.#announce(text));
    this.#root.querySelector("[data-uploading]")?.append(row);
    this.#next();
  }

  // The first that waits for its turn.
  #next(): void {
    const upload = this.#uploads.find((each) => !this.#begun.has(each));
    if (upload === undefined || this.#running >= AT_ONCE) return;
    this.#begun.add(upload);
    this.#running += 1;
    this.#root.querySelectorAll(`[data-unfinished="${upload.file.size}"]`).forEach((row) => row.remove());
    void upload.run().finally(() => {
      this.#running -= 1;
      if (upload.state.name === "done") void this.#refresh();
      this.#next();
    });
    this.#next();
  }

  #begun = new Set<Upload>();

  // The list, as it is now; on the console it also keeps itself up to date.
  async #refresh(): Promise<void> {
    const answer = await fetch(`${this.#root.dataset["page"]}?fragment=1`, { cache: "no-store" }).catch(() => null);
    if (answer === null || !answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = fresh.querySelector("[data-live=documents]");
    const shown = document.querySelector("[data-live=documents]");
    if (next !== null && shown !== null) shown.replaceChildren(...next.childNodes);
  }

  async #recall(entry: journal.Entry): Promise<void> {
    const offset = await this.#tus.offset(entry.url);
    if (!offset.ok) {
      if (offset.trouble.kind === "gone" || offset.trouble.kind === "not_allowed") journal.forget(entry.key);
      return;
    }
    if (offset.value >= entry.size) {
      // All of it had left when the tab was closed.
      journal.forget(entry.key);
      return this.#refresh();
    }
    const row = make("li", "card upload");
    row.dataset["unfinished"] = String(entry.size);
    const text = say("unfinished", { size: size(entry.size), percent: percent(offset.value, entry.size) });
    const buttons = make("p", "buttons");
    buttons.append(
      button(say("forget"), size(entry.size), () => {
        journal.forget(entry.key);
        row.remove();
        void this.#tus.giveUp(entry.url);
      }),
    );
    row.append(make("p", "told", text), buttons);
    this.#root.querySelector("[data-uploading]")?.append(row);
  }

  async #lookWhoIsHere(): Promise<void> {
    if (!this.#uploads.some((upload) => upload.state.name === "expired")) return;
    const standing = await this.#session.look();
    if (standing === "same" || standing === "renewed") this.#wake("expired");
  }

  #wake(from: "waiting" | "expired"): void {
    for (const upload of this.#uploads) if (upload.state.name === from) upload.goOn();
  }

  #announce(text: string): void {
    const told = this.#root.querySelector("[data-told]");
    if (told !== null) told.textContent = text;
  }
}

// As its own name says, and as the box beside it says of what is in it.
function named(file: File, beside: HTMLElement): Named {
  const box = beside.querySelector<HTMLInputElement>("[data-label]");
  return box?.checked ? { called: file.name, label: box.value } : { called: file.name };
}

function isSame(one: File, other: File): boolean {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}

for (const root of document.querySelectorAll<HTMLElement>("[data-uploads]")) new Desk(root).open();

// One upload's line on the page: name, bar, what is going on, and what can be done about it.
import type { Upload } from "./upload.js";
import { percent, say, size, tell, time } from "./words.js";

// Screens are read at leisure; a bar that jumps with every packet only costs battery.
const EVERY_MS = 250;

const TONES = { done: "ok", failed: "bad", expired: "warn", waiting: "warn" } as const;

export function show(upload: Upload, most: number, logIn: string, announce: (text: string) => void): HTMLElement {
  const row = make("li", "card upload");
  const name = make("b", "called", upload.named.called);
  const said = make("p", "told");
  const bar = make("progress") as HTMLProgressElement;
  bar.max = Math.max(upload.file.size, 1);
  bar.setAttribute("aria-label", upload.named.called);
  const figures = make("p", "quiet figures");
  const buttons = make("p", "buttons");
  const pause = button(say("pause"), upload.named.called, () => upload.pause());
  const goOn = button(say("goOn"), upload.named.called, () => upload.goOn());
  const cancel = button(say("cancel"), upload.named.called, () => void upload.cancel());
  const close = button(say("close"), upload.named.called, () => row.remove());
  const link = make("a", "button", say("logIn")) as HTMLAnchorElement;
  link.href = logIn;
  link.target = "_blank";
  link.rel = "noopener";
  buttons.append(link, pause, goOn, cancel, close);
  row.append(name, said, bar, figures, buttons);

  let heard = "";
  let drawnAt = 0;
  let later = 0;
  const draw = () => {
    later = 0;
    drawnAt = performance.now();
    const { state, sent, file, meter } = upload;
    row.dataset["state"] = state.name;
    const text = tell(state, sent, file.size, most);
    if (said.textContent !== text) said.textContent = text;
    said.className = `told ${TONES[state.name as keyof typeof TONES] ?? ""}`;
    bar.value = sent;
    bar.hidden = upload.isOver;
    const left = state.name === "sending" ? meter.left(file.size) : null;
    const parts = [say("of", { sent: size(sent), size: size(file.size) }), `${percent(sent, file.size)} %`];
    if (left !== null && sent < file.size) parts.push(say("left", { time: time(left) }));
    figures.textContent = parts.join(", ");
    figures.hidden = upload.isOver;
    const rests = state.name === "paused" || state.name === "expired" || state.name === "waiting";
    pause.hidden = !["sending", "waiting", "checking"].includes(state.name);
    goOn.hidden = !rests;
    link.hidden = state.name !== "expired";
    cancel.hidden = upload.isOver;
    close.hidden = !upload.isOver;
    if (heard !== text) announce(`${upload.named.called}: ${text}`);
    heard = text;
  };
  upload.changed = () => {
    if (later !== 0) return;
    later = setTimeout(draw, Math.max(0, drawnAt + EVERY_MS - performance.now()));
  };
  draw();
  return row;
}

export function make(tag: string, kind = "", text = ""): HTMLElement {
  const made = document.createElement(tag);
  if (kind !== "") made.className = kind;
  if (text !== "") made.textContent = text;
  return made;
}

// Several lines have a button of that name: whoever hears them is told whose it is.
export function button(label: string, of: string, act: () => void): HTMLButtonElement {
  const made = make("button", "", label) as HTMLButtonElement;
  made.type = "button";
  made.append(make("span", "unseen", `: ${of}`));
  made.addEventListener("click", act);
  return made;
}

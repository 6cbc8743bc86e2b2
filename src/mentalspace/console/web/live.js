// Keeps what is marked data-live as the server shows it, and the clocks ticking, without taking
// away the reader's place: nodes are changed where they stand.
import { morph } from "./morph.js";

const PERIOD_MS = 2000;
const LOST_AFTER = 3;

const stale = document.getElementById("stale");
const announcer = document.getElementById("announce");
let skewMs = Date.parse(document.body.dataset.now) - Date.now();
let tag = null;
let failures = 0;
let timer = 0;
let seenAt = new Date();
let touchedAt = Date.now();

function fragmentAddress() {
  const address = new URL(location.href);
  address.searchParams.set("fragment", "1");
  address.searchParams.delete("done");
  address.hash = "";
  return address;
}

async function refresh() {
  const headers = { accept: "text/html" };
  if (tag) headers["if-none-match"] = tag;
  // The tag is ours to compare: the browser keeps no copy of a page.
  const answer = await fetch(fragmentAddress(), { headers, cache: "no-store", redirect: "error" });
  if (answer.status === 401) return signedOut();
  if (!answer.ok && answer.status !== 304) throw new Error(String(answer.status));
  const now = Date.parse(answer.headers.get("x-now"));
  if (now) skewMs = now - Date.now();
  seenAt = new Date();
  if (answer.status === 304) return;
  tag = answer.headers.get("etag");
  apply(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

function apply(fresh) {
  const news = [];
  for (const shown of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${CSS.escape(shown.dataset.live)}"]`);
    if (!next) continue;
    const before = shown.dataset.announce;
    morph(shown, next);
    if (next.dataset.announce && next.dataset.announce !== before) news.push(next.dataset.announce);
  }
  if (news.length) announcer.textContent = news.join(". ");
  tick();
}

function signedOut() {
  say("You were signed out. What stands here is no longer kept up to date. Reload to log in.");
  clearTimeout(timer);
  timer = -1;
}

function say(text) {
  if (stale.textContent !== text) stale.textContent = text;
  stale.hidden = !text;
}

async function round() {
  if (document.hidden || resting()) return;
  try {
    await refresh();
    failures = 0;
    if (timer !== -1) say("");
  } catch (error) {
    failures += 1;
    // What is in the database's way has a page of its own, in this one's place.
    const what = error.message === "503" ? "Reload to see what holds it up" : "The console does not answer";
    if (failures === LOST_AFTER) {
      say(`What stands here was true at ${seenAt.toLocaleTimeString()}. ${what}.`);
    }
  }
  if (timer !== -1) timer = setTimeout(round, PERIOD_MS);
}

// A page with clients' names, left alone, stops asking, so that its session can run out.
function resting() {
  const restAfterMs = Number(document.body.dataset.restAfterS ?? Infinity) * 1000;
  if (Date.now() - touchedAt < restAfterMs) return false;
  timer = 0;
  say("Paused because nobody is here. Press a key or touch the page to go on.");
  return true;
}

function touched() {
  const rested = timer === 0 && !document.hidden;
  touchedAt = Date.now();
  if (rested) round();
}

function tick() {
  const now = Date.now() + skewMs;
  for (const clock of document.querySelectorAll("[data-deadline]")) {
    const left = Math.round((Date.parse(clock.dataset.deadline) - now) / 1000);
    const text = left >= 0 ? `in ${spell(left)}` : `overdue by ${spell(-left)}`;
    if (clock.textContent !== text) clock.textContent = text;
    clock.classList.toggle("late", left < 0);
  }
  closeWhatIsOver(now);
}

// What may be read for a while is gone after it, though the page rests or nobody answers.
function closeWhatIsOver(now) {
  for (const shown of document.querySelectorAll("[data-gone-at]")) {
    if (Date.parse(shown.dataset.goneAt) > now) continue;
    const over = document.createElement("p");
    over.textContent = "The time is over. Reload to give a reason again.";
    shown.replaceChildren(...shown.querySelectorAll("h2"), over);
    delete shown.dataset.goneAt;
  }
}

function spell(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [days, hours] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24];
  if (days) return `${days} d ${hours} h`;
  const minutes = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${minutes}` : minutes;
}

tick();
setInterval(tick, 1000);
if (document.querySelector("main [data-live]")) {
  timer = setTimeout(round, PERIOD_MS);
  for (const kind of ["pointerdown", "pointermove", "keydown", "scroll"]) {
    document.addEventListener(kind, touched, { passive: true });
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || timer === -1) return;
    clearTimeout(timer);
    round();
  });
}

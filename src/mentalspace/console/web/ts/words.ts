// What an upload says, in the page's language.
import type { State } from "./upload.js";
import type { Trouble } from "./trouble.js";

const EN = {
  of: "{sent} of {size}",
  left: "about {time} left",
  checking: "Looking at the file…",
  sending: "Uploading",
  finishing: "All sent; being kept…",
  paused: "Paused at {percent} %",
  waiting: "No connection. It goes on by itself as soon as there is one.",
  expired: "You were logged out. Log in again, and it goes on from here.",
  done: "The document is here.",
  cancelled: "Cancelled. Nothing was kept.",
  pause: "Pause",
  goOn: "Go on",
  cancel: "Cancel",
  close: "Close",
  logIn: "Log in in a new window",
  unfinished: "An upload of {size} stopped at {percent} %. Choose the same file again, and it goes on from there.",
  forget: "Discard it",
  gone: "The server has lost what it had of this file. Try again.",
  unreadable: "This file cannot be read any more. Choose it again.",
  empty: "This file is empty.",
  too_large: "This file is larger than {most}. Nothing was sent.",
  wrong_type: "Only PDF, JPEG and PNG are taken, and this file is none of them. Nothing was kept.",
  harmful: "This file was found to be harmful, and is kept from everybody. The front desk knows of it.",
  not_allowed: "You may not add this for this client.",
  another: "Somebody else is logged in here now. Open the page again.",
  refused: "The server did not take it (error {http}). Try again, or tell whoever looks after MentalSpace.",
  noPicture: "This is no picture that can be read here. Take it again, or upload a scan.",
  seconds: "{number} s",
  minutes: "{number} min",
};

const ES: typeof EN = {
  of: "{sent} de {size}",
  left: "faltan unos {time}",
  checking: "Revisando el archivo…",
  sending: "Subiendo",
  finishing: "Todo enviado; guardando…",
  paused: "En pausa al {percent} %",
  waiting: "Sin conexión. Continuará solo en cuanto la haya.",
  expired: "Su sesión se cerró. Inicie sesión de nuevo y continuará desde aquí.",
  done: "El documento está aquí.",
  cancelled: "Cancelado. No se guardó nada.",
  pause: "Pausar",
  goOn: "Continuar",
  cancel: "Cancelar",
  close: "Cerrar",
  logIn: "Iniciar sesión en otra ventana",
  unfinished: "Una subida de {size} se detuvo al {percent} %. Elija el mismo archivo y continuará desde ahí.",
  forget: "Descartarla",
  gone: "El servidor perdió lo que tenía de este archivo. Inténtelo de nuevo.",
  unreadable: "Este archivo ya no se puede leer. Elíjalo otra vez.",
  empty: "Este archivo está vacío.",
  too_large: "Este archivo ocupa más de {most}. No se envió nada.",
  wrong_type: "Solo se admiten PDF, JPEG y PNG, y este archivo no lo es. No se guardó nada.",
  harmful: "El archivo puede ser dañino y nadie puede abrirlo. La recepción lo sabe.",
  not_allowed: "No puede añadir esto.",
  another: "Otra persona tiene ahora la sesión abierta. Abra la página de nuevo.",
  refused: "El servidor no lo aceptó (error {http}). Inténtelo de nuevo o avise al consultorio.",
  noPicture: "No es una imagen que se pueda leer aquí. Repita la foto o suba una copia escaneada.",
  seconds: "{number} s",
  minutes: "{number} min",
};

type Word = keyof typeof EN;

const words = document.documentElement.lang === "es" ? ES : EN;

export function say(word: Word, given: Record<string, string | number> = {}): string {
  return words[word].replace(/\{(\w+)\}/g, (_, name: string) => String(given[name] ?? ""));
}

// A megabyte is a million bytes, as the limits say.
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1).replace(/\.0$/, "")} MB`;
}

export function time(seconds: number): string {
  if (seconds < 60) return say("seconds", { number: Math.max(1, Math.round(seconds)) });
  return say("minutes", { number: Math.round(seconds / 60) });
}

export function percent(sent: number, whole: number): number {
  return whole > 0 ? Math.floor((100 * sent) / whole) : 0;
}

// For eyes and for whoever hears the page: what changed, not each byte of it.
export function tell(state: State, sent: number, whole: number, most: number): string {
  switch (state.name) {
    case "failed":
      return why(state.trouble, most);
    case "paused":
      return say("paused", { percent: percent(sent, whole) });
    case "sending":
      return sent < whole ? say("sending") : say("finishing");
    default:
      return say(state.name);
  }
}

function why(trouble: Trouble, most: number): string {
  switch (trouble.kind) {
    case "too_large":
      return say("too_large", { most: size(most) });
    case "refused":
      return say("refused", { http: trouble.http });
    case "offline":
    case "busy":
    case "moved":
      return say("waiting");
    default:
      return say(trouble.kind);
  }
}

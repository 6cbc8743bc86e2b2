// How fast it goes, over the last seconds, and so how long it will take.

const WINDOW_MS = 8_000;
const ENOUGH_MS = 1_000;

export class Meter {
  #seen: { at: number; bytes: number }[] = [];

  note(bytes: number, at: number = performance.now()): void {
    const last = this.#seen.at(-1);
    if (last !== undefined && bytes < last.bytes) this.#seen = []; // a piece was lost
    this.#seen.push({ at, bytes });
    while (this.#seen.length > 2 && at - this.#seen[0]!.at > WINDOW_MS) this.#seen.shift();
  }

  rest(): void {
    this.#seen = [];
  }

  // Seconds; null until it can be told.
  left(size: number): number | null {
    const first = this.#seen[0];
    const last = this.#seen.at(-1);
    if (first === undefined || last === undefined || last.at - first.at < ENOUGH_MS) return null;
    const perMs = (last.bytes - first.bytes) / (last.at - first.at);
    return perMs > 0 ? (size - last.bytes) / perMs / 1000 : null;
  }
}

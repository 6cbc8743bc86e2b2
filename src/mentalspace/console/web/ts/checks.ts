// What is known to be wrong before a byte leaves: the size, and what the first bytes say it is.
import { done, failed, type Outcome } from "./trouble.js";

export type Limits = { most: number; types: readonly string[] };

// As integrations/storage/sniff.py reads them, of the types that buckets of documents take.
const SIGNS: readonly [type: string, marks: readonly number[], extension: string][] = [
  ["application/pdf", [0x25, 0x50, 0x44, 0x46, 0x2d], "pdf"],
  ["image/jpeg", [0xff, 0xd8, 0xff], "jpg"],
  ["image/png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], "png"],
];

export type Kind = { type: string; extension: string };

// The type by its content: a name says nothing, and the browser asks the name alone.
export async function check(file: Blob, limits: Limits): Promise<Outcome<Kind>> {
  if (file.size === 0) return failed({ kind: "empty" });
  const kind = await kindOf(file);
  if (kind === null || !limits.types.includes(kind.type)) return failed({ kind: "wrong_type" });
  if (file.size > limits.most) return failed({ kind: "too_large", most: limits.most });
  return done(kind);
}

export async function kindOf(file: Blob): Promise<Kind | null> {
  const head = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  for (const [type, marks, extension] of SIGNS) {
    if (marks.every((mark, place) => head[place] === mark)) return { type, extension };
  }
  return null;
}

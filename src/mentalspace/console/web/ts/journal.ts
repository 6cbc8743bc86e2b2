// What outlives a closed tab: where an upload goes on. Kept under a digest of the file, never under
// its name, and without a byte of it: nothing of a client stays behind on a shared machine. So the
// same file is chosen again, and known again.

const PREFIX = "upload:";
// Up to here all of a file is digested, in a moment; of a larger one its ends and when it was changed.
const WHOLE = 100e6;
const SAMPLE = 1024 * 1024;
const LONGEST_MS = 24 * 3600 * 1000;

export type Entry = {
  key: string;
  url: string;
  size: number;
  at: number; // when it began
  until: number; // when the server forgets it
  bucket: string;
  folder: string;
  person: string;
};

export async function digestOf(file: File, bucket: string, folder: string): Promise<string> {
  const place = `${bucket}/${folder}/${file.size}/`;
  const parts =
    file.size <= WHOLE
      ? [place, file]
      : [place, String(file.lastModified), file.slice(0, SAMPLE), file.slice(-SAMPLE)];
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function write(entry: Omit<Entry, "until">, until: number | null): void {
  const kept: Entry = { ...entry, until: until ?? entry.at + LONGEST_MS };
  try {
    localStorage.setItem(PREFIX + entry.key, JSON.stringify(kept));
  } catch {
    // Full, or switched off: the upload still survives a lost line, though not a closed tab.
  }
}

export function find(key: string, person: string): Entry | null {
  const entry = read(PREFIX + key);
  return entry !== null && entry.person === person ? entry : null;
}

export function forget(key: string): void {
  localStorage.removeItem(PREFIX + key);
}

// This person's own in this folder, the newest first; what the server has forgotten goes.
export function unfinished(bucket: string, folder: string, person: string): Entry[] {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  const found: Entry[] = [];
  for (const key of keys) {
    const entry = read(key);
    if (entry === null || entry.until < Date.now()) localStorage.removeItem(key);
    else if (entry.bucket === bucket && entry.folder === folder && entry.person === person) found.push(entry);
  }
  return found.sort((one, other) => other.at - one.at);
}

function read(key: string): Entry | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null") as Entry | null;
  } catch {
    return null;
  }
}

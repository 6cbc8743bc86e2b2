// What may go wrong with an upload, and what each needs next.

export type Trouble =
  | { kind: "offline" } // no answer: tried again by itself
  | { kind: "busy"; afterMs: number } // the server asks for patience
  | { kind: "expired" } // logged out: a person logs in, then it goes on
  | { kind: "another" } // somebody else is logged in now
  | { kind: "gone" } // the server has forgotten what it had of it
  | { kind: "moved"; offset: number } // the server has another part of it than we thought
  | { kind: "unreadable" } // moved or changed on the disk since it was chosen
  | { kind: "empty" }
  | { kind: "too_large"; most: number }
  | { kind: "wrong_type" }
  | { kind: "harmful" } // the server looked at all of it, and sealed it
  | { kind: "not_allowed" }
  | { kind: "refused"; http: number };

export type Outcome<T> = { ok: true; value: T } | { ok: false; trouble: Trouble };

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function failed(trouble: Trouble): { ok: false; trouble: Trouble } {
  return { ok: false, trouble };
}

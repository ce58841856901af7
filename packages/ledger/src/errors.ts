/** What a caller did wrong, or what the world did to us: a stable code, the values, and what to do. Codes stand in docs/errors.md. */
export class SpurError extends Error {
  readonly code: string;
  readonly detail: string;
  /** HTTP status at the edge. */
  readonly status: number;
  /** What to do now, in one sentence. */
  readonly hint?: string;

  constructor(code: string, detail: string, options: { status?: number; hint?: string; cause?: unknown } = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SpurError";
    this.code = code;
    this.detail = detail;
    this.status = options.status ?? 400;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}

/** A broken invariant of our own: never the caller's fault, never handled. */
export class Bug extends Error {
  override readonly name = "Bug";
}

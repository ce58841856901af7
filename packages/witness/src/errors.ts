/** What a log asked wrongly, or what the disk did to us: a stable code, the values, and what to do. Codes stand in docs/errors.md. */
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

/** C2SP tlog-witness: the size that the client should have begun from; it is the whole body of the 409. */
export class OldSizeError extends SpurError {
  readonly size: number;

  constructor(old: number, size: number) {
    super("witness/old-size", `begun from size ${old}; the last cosigned size is ${size}`, { status: 409 });
    this.size = size;
  }
}

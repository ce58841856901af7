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

/** An error of the disk or of SQLite, told by name: it is neither the caller's fault nor a broken invariant. Others are passed on. */
export function diskErrorByName(error: unknown): unknown {
  const { syscall, code, message } = error as { syscall?: string; code?: string; message: string };
  if (error instanceof SpurError || (syscall === undefined && code !== "ERR_SQLITE_ERROR")) return error;
  return new SpurError("data/io", message, {
    status: 503,
    hint: "The disk or the folder refuses: see the message, make room or mend it, and start again.",
    cause: error,
  });
}

/** A broken invariant of our own: never the caller's fault, never handled. */
export class Bug extends Error {
  override readonly name = "Bug";
}

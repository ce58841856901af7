/**
 * What the command could not do: a stable code, the values, and what to do now. The ledger's own `SpurError` has the same members and is
 * told the same way, so that this package needs no import of the ledger.
 */
export class CliError extends Error {
  readonly code: string;
  readonly detail: string;
  /** One sentence, or a command that can be typed as it stands. */
  readonly hint?: string;

  constructor(code: string, detail: string, options: { hint?: string; cause?: unknown } = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CliError";
    this.code = code;
    this.detail = detail;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}

/** What is told of an error: of `CliError`, `VerifyError` and `SpurError` their members, of anything else its message. */
export interface Told {
  readonly code: string;
  readonly detail: string;
  readonly hint?: string;
}

export function toldOf(error: unknown): Told {
  if (!(error instanceof Error)) return { code: "cli/unexpected", detail: String(error) };
  const { code, detail, hint } = error as Partial<Record<"code" | "detail" | "hint", unknown>>;
  if (typeof code === "string" && typeof detail === "string") {
    return { code, detail, ...(typeof hint === "string" ? { hint } : {}) };
  }
  // A file-system error has `code` and no `detail`; its message names the path.
  if (typeof code === "string" && "syscall" in error) return { code: "cli/file", detail: error.message };
  return {
    code: "cli/unexpected",
    detail: error.message,
    hint: "this is a fault of the program: please report it with SPUR_DEBUG=1 set",
  };
}

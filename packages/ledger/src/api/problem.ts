import { VerifyError } from "@spur/verifier/errors";
import { SpurError } from "../errors.ts";

/** RFC 9457 problem details. `code` is stable and stands in docs/errors.md. */
export interface Problem {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly hint?: string;
}

const TITLES: Record<number, string> = {
  400: "Bad request", 401: "Who are you?", 403: "Not allowed", 404: "Not found", 409: "Conflict", 410: "Gone", 413: "Too large",
  415: "Wrong content type", 422: "Cannot be recorded", 451: "Withheld for legal reasons", 500: "Failure", 503: "Not now",
}; // prettier-ignore

/** Maps an error to what a client is told. What is not one of ours is told as a failure, without its message: that could hold content. */
export function problemOf(error: unknown): Problem {
  if (error instanceof SpurError) {
    return {
      type: "about:blank",
      title: TITLES[error.status] ?? "Error",
      status: error.status,
      detail: error.detail,
      code: error.code,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    };
  }
  if (error instanceof VerifyError) {
    return { type: "about:blank", title: TITLES[422] as string, status: 422, detail: error.detail, code: error.code };
  }
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status < 500) {
    const code = status === 413 ? "http/too-large" : status === 415 ? "http/content-type" : "http/bad-request";
    return {
      type: "about:blank",
      title: TITLES[status] ?? "Bad request",
      status,
      detail: (error as Error).message,
      code,
    };
  }
  return {
    type: "about:blank",
    title: TITLES[500] as string,
    status: 500,
    detail: "an error inside the ledger; see its diagnostics",
    code: "ledger/bug",
  };
}

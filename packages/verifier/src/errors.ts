/**
 * Thrown for input that is wrong or hostile. `code` is stable ("area/reason") and listed in docs/errors.md; `detail` holds the values
 * that led to it and may change.
 */
export class VerifyError extends Error {
  readonly code: string;
  readonly detail: string;

  constructor(code: string, detail: string, options?: { cause?: unknown }) {
    super(`${code}: ${detail}`, options);
    this.name = "VerifyError";
    this.code = code;
    this.detail = detail;
  }
}

/** One of our own invariants is broken: no input, however hostile, may lead here. */
export class Bug extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "Bug";
  }
}

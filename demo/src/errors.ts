/** What a caller or a file did wrong. `code` is stable and documented; `message` is for people. */
export class DemoError extends Error {
  readonly code: string;
  constructor(code: string, detail: string) {
    super(`${code}: ${detail}`);
    this.name = "DemoError";
    this.code = code;
  }
}

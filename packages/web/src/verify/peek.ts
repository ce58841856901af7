/** What a file says of its log, for a hint only: nothing here has been checked. */
export interface Peek {
  readonly origin?: string;
  readonly vkey?: string;
  /** It calls itself a receipt. */
  readonly receipt: boolean;
}

/** Looks into a file without judging it; a file that is no evidence gives an empty answer. */
export function peek(bytes: Uint8Array): Peek {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return { receipt: false }; // The verifier says what is wrong with it.
  }
  if (!isDict(body)) return { receipt: false };
  const receipt = body["format"] === "spur-receipt-file/v1";
  const log = receipt ? { vkey: body["vkey"] } : body["log"];
  const { origin, vkey } = isDict(log) ? log : {};
  return {
    receipt,
    ...(typeof origin === "string" ? { origin } : {}),
    ...(typeof vkey === "string" ? { vkey } : {}),
  };
}

function isDict(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a file says of itself and of its log's key, for a hint only: nothing here has been checked. */
export interface Peek {
  readonly vkey?: string;
  readonly kind: Kind;
}
export type Kind = "evidence" | "receipt" | "misbehaviour" | "proof";

/** Looks into a file without judging it; one that is of no known kind is judged as evidence, and told what it is not. */
export function peek(bytes: Uint8Array): Peek {
  const text = new TextDecoder().decode(bytes);
  if (text.startsWith("c2sp.org/tlog-proof@")) return { kind: "proof" };
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { kind: "evidence" }; // The verifier says what is wrong with it.
  }
  if (!isDict(body)) return { kind: "evidence" };
  const [, name] = /^spur-(receipt|misbehaviour)(?:-file)?\//.exec(String(body["format"])) ?? [];
  const { vkey } = isDict(body["log"]) ? body["log"] : body;
  return {
    kind: (name as Kind | undefined) ?? "evidence",
    ...(typeof vkey === "string" ? { vkey } : {}),
  };
}

function isDict(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

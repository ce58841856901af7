/** What the driver of a story was promised or told its callers, one line each, in the moment in which it was. */
export type Claim =
  /** The log answers under this key. */
  | { readonly vkey: string }
  /** Records that were acknowledged: rec, index, leaf hash (base64), and SHA-256 of the content of slot 0 (hex) or nothing. */
  | { readonly acked: readonly (readonly [rec: string, index: number, leaf: string, content: string | null])[] }
  /** A request that was journaled: it may be forwarded from now on. */
  | { readonly begun: string; readonly request: string }
  | { readonly receipt: readonly [rec: string, index: number, leaf: string] }
  /** From here on, the content may be out of reach. */
  | { readonly removing: readonly string[] }
  /** The removal is completed: none of these files of the keys folder, and none of these bytes (hex), may be anywhere. */
  | { readonly removed: readonly string[]; readonly files: readonly string[]; readonly bytes: readonly string[] }
  /** The checkpoint that was published when a caller had asked for it. */
  | { readonly published: Head }
  | { readonly keyAdded: string }
  | { readonly keyRevoked: string }
  /** A public payload that is kept, by its digest (hex). */
  | { readonly payload: string };

/** A head that left, signed: it was in the published checkpoint, or on its way to a witness. */
export interface Head {
  readonly size: number;
  /** Base64. */
  readonly root: string;
}

/** Everything that the world has been told at a moment. */
export interface Told {
  readonly claims: readonly Claim[];
  readonly heads: readonly Head[];
}

export const NOTHING: Told = { claims: [], heads: [] };

/** The claims in what a driver wrote. */
export const claimsOf = (stdout: string): Claim[] =>
  stdout.slice(0, stdout.lastIndexOf("\n") + 1).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Claim); // prettier-ignore

export const ORIGIN = "power.invalid/log";

const HEAD = /(?:^|\n)\S+\/log\n(\d+)\n([A-Za-z0-9+/=]{44})\n/;

/** The head in a note, a request to a witness, or any other bytes that leave. */
export function headIn(bytes: Buffer): Head | undefined {
  const match = HEAD.exec(bytes.toString("latin1"));
  return match === null ? undefined : { size: Number(match[1]), root: match[2] as string };
}

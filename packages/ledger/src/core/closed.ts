import { equalBytes } from "@spur/verifier/bytes";
import { sha256 } from "@spur/verifier/hash";
import { parseEntry } from "@spur/verifier/statement/entry";
import { SpurError } from "../errors.ts";
import type { SigningKey } from "../log/signing-key.ts";
import type { Closed } from "./types.ts";

const KEY = "spur:key/v1";

/**
 * Whether the last entry takes back the log's own key. What that key signs above it is under no key (formats §3.6), so nothing may follow.
 * The log itself is the only memory of it: a copy that was restored is as closed as the one it was made of.
 */
export function closedBy(last: Uint8Array | undefined, logKey: SigningKey): Closed | undefined {
  // Any other entry is told by a look: this happens at every start.
  if (last === undefined || !Buffer.from(last).includes(`"predicateType":"${KEY}"`)) return undefined;
  const { predicateType, predicate, evidence, sha256: named } = parseEntry(last);
  const own = named !== undefined && equalBytes(named, sha256(logKey.publicKey));
  if (!own || predicateType !== KEY || evidence !== "observed" || predicate["purpose"] !== "log") return undefined;
  return predicate["state"] === "active" ? undefined : (predicate["state"] as Closed);
}

/** Why a closed log takes nothing: an entry, or a request whose answer would be one. */
export function refusedAsClosed(closed: Closed): SpurError {
  return new SpurError("log/retired", `this log is closed: its last entry says that its key is ${closed}`, {
    status: 409,
    hint: "What it holds can be read and proved; nothing is added to it. Record in the log that goes on in its place.",
  });
}

import { equalBytes, toHex, utf8 } from "../../bytes.ts";
import { sha256 } from "../../hash.ts";
import { formatVkey, type VerifierKey } from "../../note/vkey.ts";
import type { Trust } from "../../trust/trust.ts";
import type { Findings } from "../findings.ts";
import { entriesOf, type Held } from "./checked.ts";

/** What the log itself says of a key, by rising index: a client may have brought an entry that names a key of his own. */
export function saidOfKey(held: ReadonlyMap<number, Held>, purpose: string, { publicKey }: VerifierKey) {
  const digest = sha256(publicKey);
  return entriesOf(held, "spur:key/v1").filter(
    ({ entry: { evidence, predicate, sha256: named } }) =>
      evidence === "observed" && predicate["purpose"] === purpose && named !== undefined && equalBytes(named, digest),
  );
}

/**
 * The entry in which the log takes a key back: for what stands `above` an index if the key is retired, since what it signed before is no
 * worse for that; for everything if it is compromised, whenever that became known.
 */
export function takenBack(said: ReturnType<typeof saidOfKey>): { at: number; above: number } | undefined {
  const stolen = said.find(({ entry }) => entry.predicate["state"] === "compromised");
  const retired = said.find(({ entry }) => entry.predicate["state"] === "retired");
  if (stolen !== undefined) return { at: stolen.index, above: -1 };
  return retired && { at: retired.index, above: retired.index };
}

/** Under a key that the log has taken back nothing passes: no answer is built on entries that rest on it. */
export function checkLogKey(held: ReadonlyMap<number, Held>, key: VerifierKey | undefined, findings: Findings): void {
  const back = key && takenBack(saidOfKey(held, "log", key));
  const after = back === undefined ? [] : [...held.values()].filter(({ index }) => index > back.above);
  const [first] = after;
  if (key === undefined || back === undefined || first === undefined) return;
  const values = { key: formatVkey(key), at: back.at, index: first.index };
  const finding = findings.notChecked("log signature", "key/taken-back", values);
  for (const one of after) one.findings.push(finding);
}

/** Which log goes on in which. The other one's key stands there as a digest: it has a name only where the caller trusts it. */
export function checkSuccessors(held: ReadonlyMap<number, Held>, trust: Trust, findings: Findings): void {
  const logs = new Map(trust.policy.logs.map(({ key }) => [toHex(sha256(utf8(formatVkey(key)))), key.name]));
  for (const { index, entry } of entriesOf(held, "spur:successor/v1")) {
    const { keyId, size } = entry.predicate as { keyId: string; size: number };
    const origin = logs.get(toHex(entry.sha256 ?? new Uint8Array()));
    if (origin === undefined) findings.notChecked("successor", "successor/unknown", { index, keyId, size });
    else findings.pass("successor", "successor/ok", { index, origin, size });
  }
}

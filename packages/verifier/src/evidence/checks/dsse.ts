import { toHex, u32be } from "../../bytes.ts";
import { verifyEd25519 } from "../../note/ed25519.ts";
import { formatVkey, TYPE_ED25519, type VerifierKey } from "../../note/vkey.ts";
import { preAuthEncoding } from "../../statement/dsse.ts";
import type { Findings } from "../findings.ts";
import type { Held } from "./checked.ts";
import { saidOfKey, takenBack } from "./keys.ts";

/** Checks of a signature, in one file: about a second. A file may hold fifty thousand envelopes of sixteen, a caller any number of keys. */
const MAX_TRIED = 2_000;

/** Whose signature stands on a published envelope. A key ID in an envelope is a hint; only the caller's keys are tried, and all of them. */
export function checkEnvelopes(
  held: ReadonlyMap<number, Held>,
  keys: readonly VerifierKey[],
  findings: Findings,
): void {
  const usable = keys.filter((key) => key.type === TYPE_ED25519);
  const back = new Map(usable.map((key) => [key, takenBack(saidOfKey(held, "statements", key))]));
  let left = MAX_TRIED;
  for (const { index, entry } of held.values()) {
    if (entry?.dsse === undefined) continue;
    const { signatures } = entry.dsse;
    left -= signatures.length * usable.length;
    if (left < 0) {
      findings.notChecked("dsse signer", "dsse/too-many", { index });
      continue;
    }
    const message = preAuthEncoding(entry.dsse);
    const signers = usable.filter((key) => signatures.some(({ sig }) => verifyEd25519(key.publicKey, message, sig)));
    // Another's good signature does not make good what is said in the name of a trusted key.
    const refuted = usable.find((key) => !signers.includes(key) && signatures.some(({ keyid }) => names(keyid, key)));
    const lost = (key: VerifierKey) => index > (back.get(key)?.above ?? index);
    const signer = signers.find((key) => !lost(key)) ?? signers[0];
    if (refuted !== undefined) findings.fail("dsse signer", "dsse/refuted", { index, key: formatVkey(refuted) });
    else if (signer === undefined) findings.notChecked("dsse signer", "dsse/unknown", { index });
    else if (!lost(signer)) findings.pass("dsse signer", "dsse/ok", { index, key: formatVkey(signer) });
    else {
      const at = back.get(signer)?.at ?? index;
      findings.notChecked("dsse signer", "key/taken-back", { index, key: formatVkey(signer), at });
    }
  }
}

function names(keyid: string, key: VerifierKey): boolean {
  return keyid === toHex(u32be(key.keyId)) || keyid === formatVkey(key);
}

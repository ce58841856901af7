import { toHex, u32be } from "../../bytes.ts";
import { verifyEd25519 } from "../../note/ed25519.ts";
import { formatVkey, TYPE_ED25519, type VerifierKey } from "../../note/note.ts";
import { preAuthEncoding } from "../../statement/dsse.ts";
import type { Findings } from "../findings.ts";
import type { Held } from "./checked.ts";

/** Whose signature stands on a published envelope. A key ID in an envelope is a hint; only the caller's keys are tried. */
export function checkEnvelopes(
  held: ReadonlyMap<number, Held>,
  keys: readonly VerifierKey[],
  findings: Findings,
): void {
  for (const { index, entry } of held.values()) {
    if (entry?.dsse === undefined) continue;
    const { signatures } = entry.dsse;
    const message = preAuthEncoding(entry.dsse);
    const usable = keys.filter((key) => key.type === TYPE_ED25519);
    const signer = usable.find((key) => signatures.some(({ sig }) => verifyEd25519(key.publicKey, message, sig)));
    const named = usable.find((key) =>
      signatures.some(({ keyid }) => keyid === toHex(u32be(key.keyId)) || keyid === formatVkey(key)),
    );
    if (signer !== undefined) findings.pass("dsse signer", "dsse/ok", { index, key: formatVkey(signer) });
    else if (named !== undefined) findings.fail("dsse signer", "dsse/refuted", { index, key: formatVkey(named) });
    else findings.notChecked("dsse signer", "dsse/unknown", { index });
  }
}

import { EVIDENCE_ID } from "./embedded.ts";

/** Where `verify.html` takes evidence in; the built page holds this exactly once. */
export const PLACE = "<!--spur-evidence-->";

/**
 * The verifier with evidence inside: one file that opens at its verdict. The evidence stands as base64 in a script element of a type that
 * no browser runs, so that no byte of it can be markup. Throws a RangeError if `verifyHtml` is not a built verify.html.
 */
export function htmlWithEvidence(verifyHtml: string, evidence: Uint8Array): string {
  const parts = verifyHtml.split(PLACE);
  const [before, after] = parts;
  if (parts.length !== 2 || before === undefined || after === undefined) {
    throw new RangeError(`not a built verify.html: ${PLACE} stands in it ${parts.length - 1} times`);
  }
  return `${before}<script type="application/octet-stream" id="${EVIDENCE_ID}">${encode(evidence)}</script>${after}`;
}

/** Base64 (RFC 4648 §4) by chunks: a spread of 64 MiB would overflow the stack. */
function encode(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

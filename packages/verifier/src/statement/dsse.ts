import { concatBytes, fromBase64, utf8 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import type { Json } from "./canonical.ts";
import { anyText, demand, listOf, object } from "./schema.ts";

/** A DSSE envelope (in-toto/dsse protocol.md, v1) as it stands inside an entry: canonical JSON around bytes that are not ours. */
export interface Envelope {
  readonly payload: Uint8Array;
  readonly payloadType: string;
  /** 1 to 16. */
  readonly signatures: readonly { readonly keyid: string; readonly sig: Uint8Array }[];
}

interface EnvelopeJson {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly keyid?: string; readonly sig: string }[];
}
const SHAPE = object({
  payload: anyText,
  payloadType: anyText,
  signatures: listOf(object({ "keyid?": anyText, sig: anyText }), 16),
});

/** Reads an envelope; unknown members are refused. Throws `dsse/form`, `bytes/base64`. */
export function parseEnvelope(value: Json): Envelope {
  demand(SHAPE, value, "dsse/form", "dsse");
  const { payload, payloadType, signatures } = value as unknown as EnvelopeJson;
  if (signatures.length === 0) throw new VerifyError("dsse/form", "no signature");
  return {
    payload: fromBase64(payload),
    payloadType,
    signatures: signatures.map(({ keyid = "", sig }) => ({ keyid, sig: fromBase64(sig) })),
  };
}

/** The bytes that are signed: PAE(payloadType, payload). */
export function preAuthEncoding(envelope: Pick<Envelope, "payload" | "payloadType">): Uint8Array {
  const type = utf8(envelope.payloadType);
  return concatBytes(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${envelope.payload.length} `), envelope.payload);
}

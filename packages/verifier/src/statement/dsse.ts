import { concatBytes, fromBase64, utf8 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { isObject, type Json } from "./canonical.ts";

/** A DSSE envelope (in-toto/dsse protocol.md, v1) as it stands inside an entry: canonical JSON around bytes that are not ours. */
export interface Envelope {
  readonly payload: Uint8Array;
  readonly payloadType: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: Uint8Array }[];
}

/** Reads an envelope; unknown members are refused. Throws `dsse/form`. */
export function parseEnvelope(value: Json | undefined): Envelope {
  if (!isObject(value) || Object.keys(value).some((name) => !["payload", "payloadType", "signatures"].includes(name))) {
    throw new VerifyError("dsse/form", "an envelope has payload, payloadType and signatures");
  }
  const { payload, payloadType, signatures } = value;
  if (typeof payload !== "string" || typeof payloadType !== "string" || !Array.isArray(signatures)) {
    throw new VerifyError("dsse/form", "an envelope has payload, payloadType and signatures");
  }
  if (signatures.length === 0 || signatures.length > 16) throw new VerifyError("dsse/form", "1 to 16 signatures");
  return {
    payload: fromBase64(payload),
    payloadType,
    signatures: (signatures as readonly Json[]).map((one) => {
      const members = isObject(one) ? Object.keys(one) : [];
      if (!isObject(one) || typeof one["sig"] !== "string" || typeof (one["keyid"] ?? "") !== "string") {
        throw new VerifyError("dsse/form", "a signature has sig and keyid");
      }
      if (members.some((name) => name !== "sig" && name !== "keyid"))
        throw new VerifyError("dsse/form", members.join(", "));
      return { keyid: (one["keyid"] ?? "") as string, sig: fromBase64(one["sig"]) };
    }),
  };
}

/** The bytes that are signed: PAE(payloadType, payload). */
export function preAuthEncoding(envelope: Pick<Envelope, "payload" | "payloadType">): Uint8Array {
  const type = utf8(envelope.payloadType);
  return concatBytes(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${envelope.payload.length} `), envelope.payload);
}

import { join } from "node:path";
import { toHex } from "@spur/verifier/bytes";
import { canonicalText, isObject, type Json, type JsonObject } from "@spur/verifier/statement/canonical";
import { STATEMENT_TYPE } from "@spur/verifier/statement/entry";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import { demand } from "@spur/verifier/statement/schema";
import { VerifyError } from "@spur/verifier/errors";
import type { CoreDraft, SealedPart } from "./core/types.ts";
import type { Draft } from "./draft.ts";
import { SpurError } from "./errors.ts";
import { seal, type Sealed } from "./vault/seal.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Ciphertexts up to this size are rows of the vault; larger ones are files. */
const MAX_ROW_BYTES = 65_536;
// Stands for an index that *plan* will find. No predicate can hold it by itself: an index given by a caller is refused.
const CUT_INDEX = Number.MAX_SAFE_INTEGER;
const CUT = `{"index":${CUT_INDEX},"rec":"`;

/** A draft made ready for the sequencer: checked against its schema, sealed, its text cut where indexes go. Plaintext stays here. */
export interface Prepared {
  readonly draft: CoreDraft;
  readonly sealed?: Sealed;
  /** Files that must be durable before the draft is committed, relative to the data folder. */
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array }[];
}

let lastHour = { nth: -1, text: "" };

/** "2026-11-22T04Z" */
export function hourOf(ms: number): string {
  const nth = Math.floor(ms / HOUR_MS);
  if (nth !== lastHour.nth) lastHour = { nth, text: `${new Date(ms).toISOString().slice(0, 13)}Z` };
  return lastHour.text;
}

/** Throws SpurError `record/…` or `statement/schema` (422) for a draft that can never be recorded. */
export function prepare(draft: Draft, atMs: number): Prepared {
  if (!/^[0-9a-f]{32}$/.test(draft.rec)) throw invalid("record/rec", "rec is 32 lower-case hex digits");
  const at = hourOf(atMs);
  if (draft.dsse !== undefined) return { draft: envelopeDraft(draft, at), files: [] };
  if (draft.predicateType === "spur:registers/v1") return { draft: closingDraft(draft, at), files: [] };
  const known = PREDICATES.get(draft.predicateType);
  if (known === undefined)
    throw invalid("record/predicate-type", `unknown predicate type ${JSON.stringify(draft.predicateType)}`);
  const predicate = withCuts(draft.predicate) as JsonObject;
  try {
    demand(known.shape, predicate, "statement/schema", "predicate");
    known.also?.(predicate, draft.digests?.sha256 === undefined ? undefined : toHex(draft.digests.sha256));
  } catch (error) {
    if (error instanceof VerifyError) throw invalid(error.code, error.detail);
    throw error;
  }
  const digests: Record<string, string> = {};
  for (const name in draft.digests) {
    const value = draft.digests[name as "sha256"] as Uint8Array;
    if (!known.digests.includes(name as "sha256"))
      throw invalid("statement/subject", `${draft.predicateType} carries no ${name}`);
    if (value.length !== 32) throw invalid("statement/subject", `${name} is not 32 bytes`);
    digests[name] = toHex(value);
  }
  let sealed: Sealed | undefined;
  if (known.slots.length > 0) {
    const slots = draft.slots ?? [];
    if (slots.length > known.slots.length)
      throw invalid("record/slots", `${draft.predicateType} has ${known.slots.length} slots`);
    sealed = seal(
      Buffer.from(draft.rec, "hex"),
      Array.from({ length: known.slots.length }, (_, i) => slots[i]),
    );
    digests["spurCommitmentV1"] = toHex(sealed.commitment);
  } else if (draft.slots !== undefined && draft.slots.length > 0) {
    throw invalid("record/slots", `${draft.predicateType} seals nothing`);
  }
  if (!hasAny(digests)) throw invalid("statement/subject", `${draft.predicateType} needs a digest`);
  const statement = canonicalText({
    _type: STATEMENT_TYPE,
    predicate,
    predicateType: draft.predicateType,
    subject: [{ digest: digests, name: draft.rec }],
  });
  const pieces = `"statement":${statement},`.split(CUT);
  const references = pieces.slice(1).map((piece) => piece.slice(0, 32));
  const tail = pieces.map(
    (piece, i) => `${i === 0 ? "" : `,"rec":"`}${piece}${i === pieces.length - 1 ? "" : '{"index":'}`,
  );
  const middle = `"rec":"${draft.rec}","reg":"${known.register}","retention":"${draft.retention}",${sealed === undefined ? "" : sealedText(sealed)}`;
  const stored = sealed === undefined || draft.keepNothing === true ? undefined : store(draft, sealed, atMs);
  return {
    draft: {
      rec: draft.rec,
      reg: known.register,
      owner: draft.owner,
      at,
      head: `"evidence":"${draft.evidence}",`,
      middle,
      tail,
      references,
      ...(stored === undefined ? {} : { sealed: stored.part }),
    },
    ...(sealed === undefined ? {} : { sealed }),
    files: stored?.files ?? [],
  };
}

/** What a closing says is known only where its index is: *plan* writes its statement. */
function closingDraft(draft: Draft, at: string): CoreDraft {
  return {
    rec: draft.rec,
    reg: "registers",
    owner: draft.owner,
    at,
    head: `"evidence":"${draft.evidence}",`,
    middle: `"rec":"${draft.rec}","reg":"registers","retention":"${draft.retention}",`,
    tail: [""], // one more than references, as everywhere
    references: [],
    closes: true,
  };
}

function envelopeDraft(draft: Draft, at: string): CoreDraft {
  const { payload, payloadType, signatures } = draft.dsse as NonNullable<Draft["dsse"]>;
  const dsse = canonicalText({
    payload: Buffer.from(payload).toString("base64"),
    payloadType,
    signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig: Buffer.from(sig).toString("base64") })),
  });
  return {
    rec: draft.rec,
    reg: "foreign",
    owner: draft.owner,
    at,
    head: `"dsse":${dsse},"evidence":"${draft.evidence}",`,
    middle: `"rec":"${draft.rec}","reg":"foreign","retention":"${draft.retention}",`,
    tail: [""],
    references: [],
  };
}

function sealedText(sealed: Sealed): string {
  const blobs = sealed.blobs
    .map(({ slot, sha256 }) => `{"sha256":"${sha256.toString("hex")}","slot":${slot}}`)
    .join(",");
  return `"sealed":{${blobs === "" ? "" : `"blobs":[${blobs}],`}"ct":"${sealed.ctSha256.toString("hex")}"},`;
}

function store(
  draft: Draft,
  sealed: Sealed,
  atMs: number,
): { part: SealedPart; files: { path: string; bytes: Uint8Array }[] } {
  const name = (sha256: Buffer): string =>
    join("payloads", draft.rec.slice(0, 2), `${draft.rec}.${sha256.toString("hex")}`);
  const files = sealed.blobs.map(({ sha256, bytes }) => ({ path: name(sha256), bytes }));
  const blobs = sealed.blobs.map(({ slot, sha256 }) => [slot, name(sha256)] as const);
  const large = sealed.ct.length > MAX_ROW_BYTES;
  if (large) files.push({ path: name(sealed.ctSha256), bytes: sealed.ct });
  const days = draft.contentDays ?? 0;
  return {
    files,
    part: {
      dek: sealed.dek,
      ...(large ? { file: name(sealed.ctSha256) } : { ct: sealed.ct }),
      ...(blobs.length > 0 ? { blobs: JSON.stringify(Object.fromEntries(blobs)) } : {}),
      ...(days > 0 ? { dueMs: atMs + days * DAY_MS } : {}),
    },
  };
}

/** Copies a predicate, giving every `{"rec"}` an index to be cut at. */
function withCuts(value: Json): Json {
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => withCuts(item as Json));
  if (!isObject(value)) return value;
  if ("rec" in value) {
    if (Object.keys(value).length !== 1 || typeof value["rec"] !== "string" || !/^[0-9a-f]{32}$/.test(value["rec"])) {
      throw invalid("record/reference", 'a reference is written {"rec": "<32 hex digits>"}; its index is found here');
    }
    return { index: CUT_INDEX, rec: value["rec"] };
  }
  const copy: Record<string, Json> = {};
  for (const name of Object.keys(value)) copy[name] = withCuts(value[name] as Json);
  return copy;
}

export function hasAny(members: object): boolean {
  for (const name in members) return name !== "";
  return false;
}

function invalid(code: string, detail: string): SpurError {
  return new SpurError(code, detail, { status: 422 });
}

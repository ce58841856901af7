import { toHex } from "@spur/verifier/bytes";
import { VerifyError } from "@spur/verifier/errors";
import { isObject, type Json, type JsonObject } from "@spur/verifier/statement/canonical";
import { parseEntry } from "@spur/verifier/statement/entry";
import { PREDICATES } from "@spur/verifier/statement/predicates";
import type { CoreDraft } from "../core/types.ts";
import type { Draft } from "../draft.ts";
import { SpurError } from "../errors.ts";
import type { Ledger, Ready } from "../record.ts";

/** What a reference leads to: an entry of the log, or an earlier draft of the same request. */
export interface Target {
  readonly type: string;
  readonly owner: string;
  readonly predicate: JsonObject;
  readonly sha256?: string;
  /** rec of what its member "run" refers to. */
  readonly run?: string;
}

/**
 * Whatever an audit would refute must be unwritable: the log keeps it for ever. For drafts from outside, before anything is sealed for good:
 * the verifier's own parser reads the entry that would be written, references lead to what may stand there, and the story of a run is told
 * by the key that began it. Throws SpurError 422 or 403. `batch`: what stands before them in the same request, and is put there of them.
 */
export async function demandWritable(
  ledger: Ledger,
  drafts: readonly Draft[],
  batch = new Map<string, Target>(),
): Promise<Ready> {
  const ready = ledger.ready(drafts);
  ready.prepared.forEach(({ draft }, i) => {
    // An envelope was read by the verifier's parser when it came, and stands in the entry as that wrote it again.
    if (drafts[i]?.dsse === undefined) demandReadable(draft);
  });
  for (const draft of drafts) {
    const found = new Map<string, Target>();
    for (const { role, rec } of referencesOf(draft.predicate)) {
      const target = batch.get(rec) ?? (await targetOf(ledger, rec));
      const allowed = PREDICATES.get(draft.predicateType)?.targets[role];
      if (allowed !== undefined && !allowed.includes(target.type)) {
        throw refused(
          "reference/type",
          `${role} of ${draft.predicateType} refers to ${target.type}; it may be ${allowed.join(" or ")}`,
        );
      }
      found.set(role, target);
    }
    demandCoherent(draft, found);
    batch.set(draft.rec, {
      type: draft.predicateType,
      owner: draft.owner,
      predicate: draft.predicate,
      ...(draft.digests?.sha256 === undefined ? {} : { sha256: toHex(draft.digests.sha256) }),
      ...runOf(draft.predicate),
    });
  }
  return ready;
}

/** The entry as it would stand, with stand-ins for what only the log knows, read by the verifier. */
function demandReadable({ at, head, middle, tail }: CoreDraft): void {
  const statement = tail.map((piece, i) => (i === 0 ? piece : `0${piece}`)).join("");
  const text = `{"at":"${at}",${head}${middle}"seq":1,${statement}"v":"spur-entry/v1"}`;
  try {
    parseEntry(Buffer.from(text, "utf8"));
  } catch (error) {
    if (error instanceof VerifyError) throw refused(error.code, error.detail);
    throw error;
  }
}

/** Who may go on with a run, and what can be seen to contradict itself. */
function demandCoherent(draft: Draft, found: ReadonlyMap<string, Target>): void {
  const type = draft.predicateType;
  const run = found.get("run");
  if (
    ["spur:checkpoint/v1", "spur:training-log/v1", "spur:model/v1"].includes(type) &&
    run !== undefined &&
    run.owner !== draft.owner
  ) {
    throw new SpurError(
      "reference/not-yours",
      "checkpoints, logs and models of a run are recorded by the key that recorded the run",
      { status: 403 },
    );
  }
  const runRec = referencesOf(draft.predicate).find(({ role }) => role === "run")?.rec;
  for (const role of ["parent", "checkpoint", "from", "to"]) {
    const other = found.get(role);
    if (other?.type === "spur:checkpoint/v1" && runRec !== undefined && other.run !== runRec) {
      throw refused("reference/other-run", `${role} is a checkpoint of another run`);
    }
  }
  const parent = found.get("parent");
  if (parent !== undefined && Number(parent.predicate["step"]) >= Number(draft.predicate["step"])) {
    throw refused("record/contradiction", "a checkpoint comes after its parent");
  }
  if (type !== "spur:replay/v1") return;
  const [from, to] = [found.get("from"), found.get("to")];
  if (Number(from?.predicate["step"]) >= Number(to?.predicate["step"])) {
    throw refused("record/contradiction", "a replay leads from one checkpoint to a later one");
  }
  if ((draft.predicate["result"] === "same") !== (draft.predicate["recomputed"] === to?.sha256)) {
    throw refused(
      "record/contradiction",
      "result is same exactly where the recomputed digest is that of the later checkpoint",
    );
  }
}

async function targetOf(ledger: Ledger, rec: string): Promise<Target> {
  const place = await ledger.thread.call("locate", rec);
  if (place === undefined) {
    throw new SpurError("reference/forward", `${rec} is not on record before this entry`, {
      status: 422,
      hint: "Record what you refer to first, or put it earlier in the same request.",
    });
  }
  const entry = parseEntry(await ledger.entryBytes(place.index));
  return {
    type: entry.predicateType ?? "dsse",
    owner: place.owner,
    predicate: entry.predicate,
    ...(entry.sha256 === undefined ? {} : { sha256: toHex(entry.sha256) }),
    ...runOf(entry.predicate),
  };
}

function runOf(predicate: JsonObject): { run?: string } {
  const run = predicate["run"];
  return isObject(run) && typeof run["rec"] === "string" ? { run: run["rec"] } : {};
}

/** Every `{"rec"}` inside a draft's predicate, with the member it stands under. */
function referencesOf(predicate: JsonObject): { role: string; rec: string }[] {
  const found: { role: string; rec: string }[] = [];
  const walk = (value: Json, role: string): void => {
    if (Array.isArray(value)) for (const item of value) walk(item as Json, role);
    else if (isObject(value)) {
      if (typeof value["rec"] === "string") found.push({ role, rec: value["rec"] });
      else for (const [name, member] of Object.entries(value)) walk(member, name);
    }
  };
  for (const [name, member] of Object.entries(predicate)) walk(member, name);
  return found;
}

const refused = (code: string, detail: string): SpurError => new SpurError(code, detail, { status: 422 });

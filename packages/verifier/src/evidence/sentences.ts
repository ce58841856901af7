import type { AUDIT_ENGLISH } from "../audit/sentences.ts";

/**
 * Every sentence of a report in English, by its stable code. `{x}` stands for a value, `{x:word}` for a value that is itself one of the
 * words at the end. A page in another language brings a table with the same codes.
 */
export const ENGLISH = {
  "format/ok": "The file is whole: every byte stands where its format wants it.",
  "format/refuted": "This is not a file of the format that it claims to be ({error}: {detail}).",
  "format/unknown": "The file has a format that this version does not know ({detail}).",
  "log-signature/ok": "The checkpoint of {origin} at size {size} is signed by {key}, a key that you trust.",
  "log-signature/refuted": "The signature of the log does not hold ({error}: {detail}).",
  "log-signature/unknown":
    "The checkpoint of {origin} at size {size} is signed by {key}, a key that you have not said you trust.",
  "signature-line/unknown": "A line of the checkpoint is signed by {key} (key ID {keyId}), of whom you trust no key.",
  "signature-line/witness": "The witness {key} saw this checkpoint at {time}.",
  "signature-line/type": "The signature of {key}, whom you trust, is of a type that cannot be checked here.",
  "key/taken-back": "Entry {index} stands under {key}, a key that the log took back in entry {at}.",
  "successor/ok": "Entry {index} ties this log to {origin}, which you trust, at size {size}: one goes on in the other.",
  "successor/unknown":
    "Entry {index} ties this log to another one (key ID {keyId}, size {size}), of which you trust no key.",
  "witnesses/ok": "Witnesses that you trust saw this checkpoint ({count}): your quorum is met.",
  "witnesses/refuted": "The cosignature of the witness {key} does not hold.",
  "witnesses/no-quorum":
    "You have named no quorum of witnesses: whether others were shown the same log is not checked.",
  "witnesses/not-met": "Too few witnesses that you trust saw this checkpoint ({count}): your quorum is not met.",
  "entry/ok": "Entry {index} is a well-formed record of type {type}.",
  "entry/refuted": "Entry {index} breaks the rules of its own format ({error}: {detail}).",
  "entry/unknown": "Entry {index} is of a kind that this version does not know ({detail}).",
  "entry/twice": "Entries {other} and {index} bear the same record id.",
  "inclusion/ok": "Entry {index} stands in the log, in the tree of {size} entries.",
  "inclusion/refuted": "Entry {index} does not stand in this log ({error}: {detail}).",
  "inclusion/none": "The file shows no entry.",
  "opening/ok": "The {name} of entry {index}, {bytes} bytes, is what was recorded, unchanged.",
  "opening/empty": "The {name} of entry {index} was recorded as empty.",
  "opening/refuted": "What the file shows as {name} of entry {index} is not what was recorded ({error}: {detail}).",
  "opening/no-entry":
    "The file opens content of entry {index}, but does not show that entry in a form that can be checked.",
  "row/ok": "Row {row} stands in the data of entry {index}, unchanged.",
  "row/refuted": "Row {row} does not stand in the data of entry {index} ({error}: {detail}).",
  "row/no-entry": "The file shows a row of entry {index}, but does not show that entry in a form that can be checked.",
  "dsse/ok": "The statement in entry {index} is signed by {key}, a key that you trust.",
  "dsse/refuted": "The statement in entry {index} names your trusted key {key}, but the signature does not hold.",
  "dsse/too-many": "The signatures of the statement in entry {index} were not tried: the file has too many.",
  "dsse/unknown": "The statement in entry {index} is signed by nobody whose key you trust.",
  "reference/ok": "Entry {index} refers to entry {target} ({role}), and that is the record it means.",
  "reference/refuted":
    "Entry {index} refers to entry {target} ({role}), but that is not the record it means ({error}).",
  "reference/absent": "Entry {index} refers to entry {target} ({role}), which cannot be checked in this file.",
  "register/ok": "The entries of the register {register} that the file shows ({count}) fit together.",
  "register/complete": "The register {register} is in the file as a whole, up to entry {closing} (entries: {to}).",
  "register/refuted": "The register {register} contradicts itself at entry {index} ({detail}).",
  "closing/ok": "All registers were closed at entry {index}; entries of the log that came later: {after}.",
  "closing/refuted": "The closing at entry {index} is contradicted ({detail}).",
  "closing/absent": "The file names entry {index} as a closing of the registers, but does not show it.",
  "time/ok": "The recorded hours fit the earliest time at which a witness saw them, {time}.",
  "time/refuted": "Entry {index} says {at}, but a witness had seen it before that, at {time}.",
  "time/none": "No outside clock stands behind the recorded hours.",
  "time/fresh": "The checkpoint was seen by a witness at {time}: within the {hours} hours that you demand.",
  "time/old": "You demand a checkpoint of the last {hours} hours; the newest time a witness vouches for is {time}.",
  "time/no-age": "You demand a checkpoint of the last {hours} hours; nothing here vouches for its age.",
  "anchor/unknown":
    "The file carries anchors on a chain ({count}), which this version cannot check: no date is taken from them.",
  "claim/reported": "Entry {index} was reported by a client: what it says was claimed, and has not been changed since.",
  "claim/imported": "Entry {index} was imported: what it says was claimed, and has not been changed since.",
  "require/absent": "You require the check “{name}”; the file has nothing for it.",
  "receipt/ok": "The receipt for record {rec} at entry {index} is signed by {key}, a key that you trust.",
  "receipt/announced":
    "The receipt for record {rec} at entry {index} is signed by {key}, which the log announced in entry {announced}.",
  "receipt/refuted": "The receipt does not hold ({error}: {detail}).",
  "receipt/unknown":
    "The receipt for record {rec} at entry {index} is signed by {key}, a key that you have not said you trust.",
  "receipt/key-open":
    "Whether the log took back before entry {index} the key that entry {announced} announces is not checked.",
  "receipt/kept": "The log holds at entry {index} exactly what the receipt promised.",
  "receipt/contradicts":
    "The log holds another entry at {index} than the receipt promised: the operator signed both, and one is a lie.",
  "receipt/not-shown":
    "Whether the log holds at entry {index} what the receipt promised is not checked: no evidence that holds under what you trust shows that entry.",
  "receipt/whole": "{origin} has promised in writing that {what:word} is record {rec}, entry {index} of its log.",
  "receipt/whole-kept":
    "{origin} has promised in writing that {what:word} is record {rec}, entry {index} of its log, and the log keeps the promise.",
  "proof/whole": "The entry at hand is entry {index} of {origin}, in its tree of {size} entries.",
  "proof/no-entry": "What stands at {index} is not in this file: hand it in to have it checked.",
  "proof/extra": "The file carries extra data ({bytes} bytes), for which nobody vouches.",
  "misbehaviour/fork":
    "{origin} signed histories that exclude each other (sizes {older}, {newer}), with {key}: this key equivocated or was stolen.",
  "misbehaviour/receipt":
    "{origin} promised another entry {index} ({receipts}) than its log holds ({key}): a key equivocated or was stolen.",
  "misbehaviour/nothing": "This file convicts nobody ({error}: {detail}).",
  "q5/decision":
    "Entry {decision} decides on the answer in entry {index}: {verdict:word} by {actor:word}, policy version {version}.",
  "q5/no-decision": "The file shows no decision on the answer in entry {index}.",
  "q5/policy": "Entry {decision} names policy version {version} and refers to entry {target}, which is another policy.",
  "q5/last-decision": "No other decision on the answer in entry {index} came later, up to entry {closing}.",
  "q5/later-decisions": "Whether a later decision on the answer in entry {index} exists is not checked.",
  "q5/removed":
    "The content of entry {index} was removed, as entry {removal} says (ground: {basis:word}); what was handed out before can still be proven.",
  "q5/removal-open":
    "Removal of the content of entry {index} was ordered in entry {removal}; the file does not show it completed.",
  "q5/removal-failed": "Removal of the content of entry {index} was tried and failed, as entry {removal} says.",
  "q5/removal-wrong": "Entry {removal} completes a removal that was ordered for another record.",
  "q5/not-removed": "No removal of entry {index} was ordered, up to entry {closing}.",
  "q5/removals-open": "Whether the content of entry {index} was removed since is not checked.",
  "q5/decided":
    "Entry {index} of {origin} is genuine: the answer was {verdict:word} by {actor:word} under policy version {version}; nothing in this file contradicts it.",
  "q5/decided-alone":
    "Entry {index} of {origin} is genuine: the answer was {verdict:word} by {actor:word} under policy version {version}; up to entry {closing} there is no later decision and no removal.",
  "q5/decided-removed":
    "Entry {index} of {origin} is genuine: the answer was {verdict:word} by {actor:word} under policy version {version}; its content was removed since (entry {removal}), and the trace stays.",
  "q5/incomplete":
    "Entry {index} of {origin} is genuine, but who let this answer through, and under which policy, cannot be checked with this file.",
  "q5/many":
    "The file shows {count} answers of {origin}: each was decided on, and nothing in this file contradicts it.",
  "q5/many-incomplete":
    "The file shows {count} answers of {origin}; for entry {index} it does not show all that the question needs.",
  "q8/recipe":
    "Data, code, settings and seed of the training run in entry {index} were recorded before its first result in entry {first}.",
  "q8/no-steps": "The file shows no result of the training run in entry {index}.",
  "q8/chain":
    "The checkpoints of the training run in entry {index} ({count}) follow one another from step {from} to step {to}.",
  "q8/chain-refuted":
    "The checkpoints of the training run in entry {index} contradict one another at entry {checkpoint} ({detail}).",
  "q8/no-chain": "The file does not show an unbroken chain of checkpoints of the training run in entry {index}.",
  "q8/replayed":
    "Steps {from} to {to} of the training run in entry {index} were computed again (entry {replay}): the same weights, bit for bit.",
  "q8/differs":
    "Steps {from} to {to} of the training run in entry {index} were computed again (entry {replay}): other weights came out.",
  "q8/replay-refuted": "The replay in entry {replay} says of itself what its own digests contradict ({detail}).",
  "q8/no-replay": "The file shows no replay of the training run in entry {index}.",
  "q8/repeatable":
    "The training run in entry {index} of {origin} can be repeated: its recipe was fixed first, its checkpoints ({count}) follow one another, and steps {from} to {to} were computed again with the same weights.",
  "q8/incomplete":
    "Whether the training run in entry {index} of {origin} can be repeated is not shown in full by this file.",
  "lineage/whole":
    "Entry {index} of {origin} is traced back, step by step, to where its data came from (records: {steps}, sources: {sources}); every step is in this file and fits.",
  "lineage/broken":
    "The trace of entry {index} of {origin} is not whole: some of its steps ({missing}) cannot be checked in this file.",
  "lineage/ends":
    "The trace of entry {index} of {origin} ends at entry {end}, a {type:word} on which nothing earlier is on record.",
  "lineage/end": "Entry {index}, a {type:word}, names nothing that it came from.",
  "answer/refuted": "{ask}: what this file says is refuted (failed checks: {count}).",
  "answer/not-recorded": "{ask}: this file holds no records that answer it.",
  "report/refuted": "Do not rely on this file: it contradicts itself or its log (failed checks: {count}).",
  "report/signer-unknown":
    "This file is consistent with itself; its signer is unknown to you, so nothing in it is confirmed.",
  "report/incomplete": "Not verified: checks that are required could not be made ({count}).",
  "report/no-answer": "What this file shows is genuine, but it holds no records for the question it was made for.",
  "report/defect": "The verifier itself failed on this file ({detail}); that says nothing about the file.",
  "note/untrusted": "(Signer unknown: this holds within the file only.)",
  "word/released": "let through",
  "word/withheld": "held back",
  "word/altered": "altered",
  "word/not-delivered": "not delivered",
  "word/rule": "a rule",
  "word/model": "a model",
  "word/person": "a person",
  "word/erasure-request": "a person asked for erasure",
  "word/consent-withdrawn": "consent was withdrawn",
  "word/unlawful-content": "unlawful content",
  "word/retention-end": "its time had run out",
  "word/purpose-end": "its purpose had ended",
  "word/other": "other",
  "word/deployment": "deployment",
  "word/model-file": "model",
  "word/training-run": "training run",
  "word/dataset": "dataset",
  "word/data-run": "processing step",
  "word/checkpoint": "checkpoint",
  "word/shown": "the content that is shown",
  "word/not-shown": "a content that is not shown",
} as const;

export type SentenceCode = keyof typeof ENGLISH | keyof typeof AUDIT_ENGLISH;
export type Templates = { readonly [code in SentenceCode]?: string };
export type Values = Readonly<Record<string, string | number>>;
/** A sentence that is still to be written. */
export type Phrase = readonly [SentenceCode, Values];

/** What is not seen or turns a line around: a name that a stranger chose must not look like another, nor move a terminal's cursor. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const escaped = (character: string) => `\\u{${character.codePointAt(0)?.toString(16) ?? ""}}`;

/** The sentence of a finding, an answer or a report. `values.signer` = "unknown" adds that nothing outside the file stands behind it. */
export function sentence(code: SentenceCode, values: Values, templates: Templates = ENGLISH): string {
  const text = (templates[code] ?? code).replace(
    /\{([a-zA-Z]+)(:word)?\}/g,
    (_, name: string, word: string | undefined) => {
      const value = String(values[name] ?? "?");
      return (word && templates[`word/${value}` as SentenceCode]) ?? value.replace(HIDDEN, escaped);
    },
  );
  return values["signer"] === "unknown" ? `${text} ${templates["note/untrusted"]}` : text;
}

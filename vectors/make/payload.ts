import { aesGcm, aesKeyWrap, concat, fake, fakeRec, flip, hex, hkdf, inclusionPath, leafHash, ruleBytes, sha256, treeRoot, u32be, u64be, u8, unhex, utf8 } from "./lib.ts";

const INLINE_LIMIT = 1_048_576;
const CHUNK = 65_536;

/** A slot's value in a vector: text, hex, or so many bytes of the rule byte i = i·31 mod 256; null = absent. */
export type Value = { readonly text: string } | { readonly hex: string } | { readonly ruleBytes: number } | null;

export function valueBytes(value: Exclude<Value, null>): Buffer {
  if ("text" in value) return utf8(value.text);
  return "hex" in value ? unhex(value.hex) : ruleBytes(value.ruleBytes);
}

export interface Slot {
  readonly present: number;
  /** What is hashed and sealed: the value, or the head of a chunked one. */
  readonly held: Buffer;
  readonly value: Buffer | undefined;
}

export interface Sealed {
  readonly rec: string;
  readonly dek: Buffer;
  readonly salts: readonly Buffer[];
  readonly slots: readonly Slot[];
  readonly digests: readonly Buffer[];
  readonly commitment: Buffer;
}

const chunksOf = (value: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(value.length / CHUNK) }, (_, j) => value.subarray(j * CHUNK, (j + 1) * CHUNK));

/** h_j */
function chunkHash(salt: Buffer, j: number, chunk: Buffer): Buffer {
  const t = hkdf(salt, concat(utf8("spur/v1/chunk"), u64be(j)), 32);
  return sha256(u8(3), t, u64be(j), u32be(chunk.length), chunk);
}

/** d_i */
export const slotHash = (salt: Buffer, i: number, present: number, held: Buffer): Buffer =>
  sha256(u8(2), salt, u8(i), u8(present), u64be(held.length), held);

/** Formats §2 up to the commitment. */
export function commit(rec: string, dek: Buffer, values: readonly Value[]): Sealed {
  const n = values.length;
  const all = hkdf(dek, concat(utf8("spur/v1/slots"), u8(n)), 32 * n);
  const salts = values.map((_, i) => all.subarray(32 * i, 32 * i + 32));
  const slots = values.map((value, i): Slot => {
    if (value === null) return { present: 0, held: Buffer.alloc(0), value: undefined };
    const bytes = valueBytes(value);
    if (bytes.length <= INLINE_LIMIT) return { present: 1, held: bytes, value: bytes };
    const root = treeRoot(chunksOf(bytes).map((chunk, j) => chunkHash(salts[i]!, j, chunk)));
    return { present: 2, held: concat(utf8("spur-chunks/v1"), u64be(bytes.length), root), value: bytes };
  });
  const digests = slots.map((slot, i) => slotHash(salts[i]!, i, slot.present, slot.held));
  return { rec, dek, salts, slots, digests, commitment: treeRoot(digests) };
}

const encKey = (s: Pick<Sealed, "dek" | "rec" | "commitment">): Buffer =>
  hkdf(s.dek, concat(utf8("spur/v1/enc"), unhex(s.rec), s.commitment), 32);
const encAad = (rec: string, commitment: Buffer): Buffer => concat(utf8("spur-sealed/v1"), unhex(rec), commitment);

/** u8 n ‖ (u8 i ‖ u8 present ‖ u64be len ‖ value)* */
export const sealedPlaintext = (slots: readonly Slot[]): Buffer =>
  concat(u8(slots.length), ...slots.flatMap((slot, i) => [u8(i), u8(slot.present), u64be(slot.held.length), slot.held]));

export const seal = (s: Sealed, plaintext = sealedPlaintext(s.slots)): Buffer =>
  aesGcm(encKey(s), Buffer.alloc(12), encAad(s.rec, s.commitment), plaintext);

const streamKey = (s: Sealed, i: number): Buffer => hkdf(s.dek, concat(utf8("spur/v1/stream"), u8(i), unhex(s.rec)), 32);
const chunkNonce = (j: number, last: number): Buffer => concat(Buffer.alloc(3), u64be(j), u8(last));
const chunkAad = (s: Sealed, i: number): Buffer => concat(utf8("spur-chunk/v1"), unhex(s.rec), u8(i));

/** The blob of a chunked slot: its sealed chunks one behind the other. */
function blobChunks(s: Sealed, i: number): Buffer[] {
  const chunks = chunksOf(s.slots[i]!.value!);
  return chunks.map((chunk, j) =>
    aesGcm(streamKey(s, i), chunkNonce(j, j === chunks.length - 1 ? 1 : 0), chunkAad(s, i), chunk),
  );
}

export const openingOf = (s: Sealed, slot: number) => ({
  slot,
  salt: hex(s.salts[slot]!),
  path: inclusionPath(slot, s.digests).map(hex),
});

const request = { text: '{"model":"spur-small","messages":[{"role":"user","content":"Es war einmal"}]}' };
const response = { text: '{"choices":[{"message":{"role":"assistant","content":" ein 痕迹 😀"}}]}' };
const long = { ruleBytes: 1_048_577 };

const cases: { name: string; slots: Value[] }[] = [
  { name: "one slot", slots: [{ text: "released by rule 1" }] },
  { name: "one slot, absent", slots: [null] },
  { name: "one slot, empty value", slots: [{ text: "" }] },
  { name: "an output: 8 slots, 4 absent", slots: [request, response, { text: "key-7" }, { text: '{"total_tokens":9}' }, null, null, null, null] },
  { name: "8 slots, all absent", slots: [null, null, null, null, null, null, null, null] },
  { name: "3 slots, the first and last absent", slots: [null, { hex: "00ff00" }, null] },
  { name: "5 slots", slots: [{ text: "a" }, { text: "b" }, { text: "c" }, { text: "d" }, { text: "e" }] },
  { name: "2 slots, the second chunked: 1,048,577 bytes", slots: [request, long] },
  { name: "1 slot of 1,048,576 bytes, the longest that is not chunked", slots: [{ ruleBytes: 1_048_576 }] },
];
const committed = cases.map((one) => ({ ...one, made: commit(fakeRec(one.name), fake(`dek ${one.name}`), one.slots) }));
const made = (name: string) => committed.find((one) => one.name === name)!;

function wrongOpening(name: string, why: string, code: string, from: string, slot: number, changed: { value?: Value; [name: string]: unknown }) {
  const { slots, made: s } = made(from);
  return { name, why, code, slots: s.slots.length, commitment: hex(s.commitment), opening: { ...openingOf(s, slot), value: slots[slot]!, ...changed } };
}

const output = "an output: 8 slots, 4 absent";
const outputMade = made(output).made;
const chunkedName = "2 slots, the second chunked: 1,048,577 bytes";

export const commitmentVectors = {
  format: "spurCommitmentV1",
  about:
    "valid: dek → salts → slot digests → commitment; every opening of every slot must verify. A value is `text`, `hex`, `ruleBytes` = so many bytes with byte i = 31·i mod 256, or null = absent. invalid: openings that must not verify against `commitment` with `slots` slots.",
  valid: committed.map(({ name, slots, made: s }) => ({
    name,
    dek: hex(s.dek),
    slots: slots.map((value, i) => ({ value, present: s.slots[i]!.present, salt: hex(s.salts[i]!), digest: hex(s.digests[i]!) })),
    ...(s.slots.some((slot) => slot.present === 2)
      ? {
          chunked: s.slots.flatMap((slot, i) => {
            if (slot.present !== 2) return [];
            const hashes = chunksOf(slot.value!).map((chunk, j) => chunkHash(s.salts[i]!, j, chunk));
            return [{ slot: i, head: hex(slot.held), chunks: hashes.length, firstHash: hex(hashes[0]!), lastHash: hex(hashes.at(-1)!) }];
          }),
        }
      : {}),
    commitment: hex(s.commitment),
    openings: s.slots.map((_, i) => openingOf(s, i)),
  })),
  invalid: [
    wrongOpening("a second value for a slot", "one value per slot", "opening/commitment", output, 1, { value: { text: "something else" } }),
    wrongOpening("the value with one more byte", "the length is hashed", "opening/commitment", output, 2, { value: { text: "key-7 " } }),
    wrongOpening("a value shown in another slot", "the slot's number is hashed", "opening/commitment", output, 0, { slot: 1 }),
    wrongOpening("request and response swapped", "the slot's number is hashed", "opening/commitment", output, 0, { ...openingOf(outputMade, 1), value: request }),
    wrongOpening("another slot's salt", "the salt is hashed", "opening/commitment", output, 0, { salt: hex(outputMade.salts[1]!) }),
    wrongOpening("salt of 31 bytes", "32 bytes", "opening/salt", output, 0, { salt: hex(outputMade.salts[0]!.subarray(1)) }),
    wrongOpening("salt of 33 bytes", "32 bytes", "opening/salt", output, 0, { salt: `${hex(outputMade.salts[0]!)}00` }),
    wrongOpening("an absent slot opened as an empty value", "absent and empty differ", "opening/commitment", output, 4, { value: { text: "" } }),
    wrongOpening("an empty value opened as absent", "absent and empty differ", "opening/commitment", "one slot, empty value", 0, { value: null }),
    wrongOpening("path one hash short", "the number of slots fixes its length", "proof/length", output, 0, { path: openingOf(outputMade, 0).path.slice(0, 2) }),
    wrongOpening("path one hash long", "the number of slots fixes its length", "proof/length", output, 0, { path: [...openingOf(outputMade, 0).path, hex(outputMade.digests[0]!)] }),
    wrongOpening("path with a flipped bit", "does not recompute", "opening/commitment", output, 0, { path: openingOf(outputMade, 0).path.map((one, i) => (i === 1 ? hex(flip(unhex(one), 31)) : one)) }),
    wrongOpening("path with a hash of 31 bytes", "32 bytes", "proof/hash", output, 0, { path: openingOf(outputMade, 0).path.map((one) => one.slice(2)) }),
    wrongOpening("slot 8 of 8", "counted from 0", "opening/slot", output, 0, { slot: 8 }),
    wrongOpening("path where there is one slot", "the only slot has none", "proof/length", "one slot", 0, { path: [hex(outputMade.digests[0]!)] }),
    {
      ...wrongOpening("a tree of two opened as one slot", "the count comes from the predicate", "proof/length", "one slot", 0, {}),
      slots: 2,
    },
    {
      ...wrongOpening("an inner node passed off as a slot", "slots are hashed with 0x02, nodes with 0x01", "opening/commitment", "5 slots", 4, {
        value: { hex: hex(concat(made("5 slots").made.digests[0]!, made("5 slots").made.digests[1]!)) },
        path: [hex(treeRoot(made("5 slots").made.digests.slice(0, 4)))],
      }),
    },
    wrongOpening("a chunked value opened by its head", "what is chunked follows from the length alone", "opening/commitment", chunkedName, 1, { value: { hex: hex(made(chunkedName).made.slots[1]!.held) } }),
    wrongOpening("a chunked value without its last byte", "the total is hashed", "opening/commitment", chunkedName, 1, { value: { ruleBytes: 1_048_576 } }),
    wrongOpening("a chunked value with one more byte", "the total is hashed", "opening/commitment", chunkedName, 1, { value: { ruleBytes: 1_048_578 } }),
  ],
};

function sealedVector(name: string) {
  const { slots, made: s } = made(name);
  const plaintext = sealedPlaintext(s.slots);
  const ct = seal(s);
  const blobs = s.slots.flatMap((slot, i) => {
    if (slot.present !== 2) return [];
    const chunks = blobChunks(s, i);
    const blob = concat(...chunks);
    const last = chunks.length - 1;
    return [
      {
        slot: i,
        kStream: hex(streamKey(s, i)),
        aad: hex(chunkAad(s, i)),
        firstNonce: hex(chunkNonce(0, 0)),
        lastNonce: hex(chunkNonce(last, 1)),
        chunks: chunks.length,
        bytes: blob.length,
        lastChunk: hex(chunks[last]!),
        sha256: hex(sha256(blob)),
      },
    ];
  });
  return {
    name,
    rec: s.rec,
    dek: hex(s.dek),
    slots,
    commitment: hex(s.commitment),
    kEnc: hex(encKey(s)),
    aad: hex(encAad(s.rec, s.commitment)),
    plaintext: hex(plaintext),
    ct: hex(ct),
    ctSha256: hex(sha256(ct)),
    ...(blobs.length > 0 ? { blobs } : {}),
  };
}

const three = made("3 slots, the first and last absent").made;
const bad = (name: string, why: string, ct: Buffer, more: { rec?: string; dek?: Buffer; commitment?: Buffer; slots?: number } = {}) => ({
  name,
  why,
  rec: more.rec ?? three.rec,
  dek: hex(more.dek ?? three.dek),
  commitment: hex(more.commitment ?? three.commitment),
  slots: more.slots ?? 3,
  ct: hex(ct),
});
const ct = seal(three);
const plain = sealedPlaintext(three.slots);
/** Encrypted under the right key, but saying something else: only the recomputed commitment shows it. */
const badPlain = (name: string, why: string, plaintext: Buffer, slots?: number) => bad(name, why, seal(three, plaintext), slots === undefined ? {} : { slots });
const slotBytes = (i: number, present: number, value: Buffer, length = value.length) => concat(u8(i), u8(present), u64be(length), value);
const middle = three.slots[1]!.held;
const empty = Buffer.alloc(0);

export const sealedVectors = {
  format: "spur-sealed/v1",
  about:
    "valid: keys and ciphertext of a sealed payload; `ct` is AES-256-GCM ciphertext ‖ 16-byte tag. A chunked slot's blob is made of the value's chunks; `lastChunk` is the last of them, sealed. invalid: ciphertexts that must not open for a record with this rec, dek, commitment and number of slots; blobs: edits of the valid blob that must not open.",
  valid: ["one slot", "one slot, empty value", output, "3 slots, the first and last absent", chunkedName].map(sealedVector),
  invalid: [
    bad("first byte flipped", "GCM", flip(ct, 0)),
    bad("tag flipped", "GCM", flip(ct, ct.length - 1)),
    bad("tag cut by one byte", "GCM tags are 16 bytes", ct.subarray(0, -1)),
    bad("no bytes", "shorter than a tag", empty),
    bad("a tag alone", "GCM", ct.subarray(-16)),
    bad("another record's ciphertext", "rec is in key and aad", ct, { rec: fakeRec("another") }),
    bad("another data key", "GCM", ct, { dek: fake("another dek") }),
    bad("another commitment", "C is in key and aad", ct, { commitment: fake("another commitment") }),
    badPlain("a value that was not committed", "C is recomputed: sealed_mismatch", concat(u8(3), slotBytes(0, 0, empty), slotBytes(1, 1, flip(middle, 0)), slotBytes(2, 0, empty))),
    badPlain("an absent slot as an empty value", "C is recomputed", concat(u8(3), slotBytes(0, 1, empty), slotBytes(1, 1, middle), slotBytes(2, 0, empty))),
    badPlain("number of slots differs", "n comes from the predicate", concat(u8(2), plain.subarray(1, -10))),
    badPlain("number of slots differs from the predicate's", "n comes from the predicate", plain, 4),
    badPlain("slots in another order", "in slot order", concat(u8(3), slotBytes(1, 1, middle), slotBytes(0, 0, empty), slotBytes(2, 0, empty))),
    badPlain("a slot twice", "in slot order", concat(u8(3), slotBytes(0, 0, empty), slotBytes(1, 1, middle), slotBytes(1, 1, middle))),
    badPlain("present 3", "0, 1 or 2", concat(u8(3), slotBytes(0, 0, empty), slotBytes(1, 3, middle), slotBytes(2, 0, empty))),
    badPlain("an absent slot with bytes", "absent has length 0", concat(u8(3), slotBytes(0, 0, u8(1)), slotBytes(1, 1, middle), slotBytes(2, 0, empty))),
    badPlain("a byte behind the last slot", "nothing follows", concat(plain, u8(0))),
    badPlain("length beyond the end", "cut", concat(u8(3), slotBytes(0, 0, empty), slotBytes(1, 1, middle, 99))),
    badPlain("length above 2^53", "cut", concat(u8(3), slotBytes(0, 0, empty), u8(1), u8(1), Buffer.alloc(8, 0xff), middle)),
    badPlain("cut in a header", "cut", plain.subarray(0, -3)),
    badPlain("no bytes inside", "n is missing", empty),
    badPlain("a chunked slot with a head of 53 bytes", "a head has 54", concat(u8(3), slotBytes(0, 0, empty), slotBytes(1, 2, Buffer.alloc(53)), slotBytes(2, 0, empty))),
  ],
  blobs: {
    about: `Edits of the blob of "${chunkedName}"; sealed chunks are numbered from 0, each 65,552 bytes but the last. None may open.`,
    invalid: [
      { name: "two chunks swapped", why: "j is in the nonce", edit: { swap: [3, 4] } },
      { name: "the last chunk dropped", why: "the last chunk says so in its nonce", edit: { drop: 16 } },
      { name: "a chunk dropped in the middle", why: "j is in the nonce", edit: { drop: 5 } },
      { name: "a chunk twice", why: "j is in the nonce", edit: { repeat: 5 } },
      { name: "cut inside a chunk", why: "GCM", edit: { cut: 700_000 } },
      { name: "a bit flipped", why: "GCM", edit: { flip: 1_000_000 } },
      { name: "a byte behind the end", why: "GCM", edit: { append: "00" } },
      { name: "nothing", why: "the total is in the head", edit: { cut: 0 } },
      { name: "another value, sealed under the right key", why: "the head is recomputed", edit: { valueFlip: 70_000 } },
    ],
  },
};

const kek = unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
const rfcKey = unhex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
const wrapped = aesKeyWrap(kek, rfcKey);

export const wrappingVectors = {
  format: "AES key wrap (RFC 3394) of a 32-byte key under a 32-byte key",
  about: "Used for root → KEK and KEK → dek: 40 bytes, default initial value A6A6A6A6A6A6A6A6.",
  valid: [
    { name: "RFC 3394 §4.6", kek: hex(kek), key: hex(rfcKey), wrapped: hex(wrapped) },
    { name: "a data key", kek: hex(fake("kek")), key: hex(outputMade.dek), wrapped: hex(aesKeyWrap(fake("kek"), outputMade.dek)) },
  ],
  invalid: [
    { name: "a bit flipped", why: "the initial value does not come back", kek: hex(kek), wrapped: hex(flip(wrapped, 20)) },
    { name: "another KEK", why: "the initial value does not come back", kek: hex(fake("kek")), wrapped: hex(wrapped) },
    { name: "39 bytes", why: "a wrapped 32-byte key has 40", kek: hex(kek), wrapped: hex(wrapped.subarray(1)) },
    { name: "32 bytes", why: "a wrapped 32-byte key has 40: a wrapped 24-byte key is none", kek: hex(kek), wrapped: hex(aesKeyWrap(kek, rfcKey.subarray(0, 24))) },
  ],
};

const journalKey = (dek: Buffer, rec: string): Buffer => hkdf(dek, concat(utf8("spur/v1/journal"), unhex(rec)), 32);
const NO_AAD = Buffer.alloc(0);
const row = { rec: fakeRec("journal"), dek: fake("journal dek"), plaintext: utf8(request.text) };
const rowCt = aesGcm(journalKey(row.dek, row.rec), Buffer.alloc(12), NO_AAD, row.plaintext);

export const journalVectors = {
  format: "spur/v1/journal",
  about: "One sealed journal row: AES-256-GCM, nonce 0^12, no aad (rec is in the key). What the plaintext holds is the ledger's own.",
  valid: [
    { name: "a request", rec: row.rec, dek: hex(row.dek), key: hex(journalKey(row.dek, row.rec)), plaintext: hex(row.plaintext), ct: hex(rowCt) },
  ],
  invalid: [
    { name: "another record's row", why: "rec is in the key", rec: fakeRec("another"), dek: hex(row.dek), ct: hex(rowCt) },
    { name: "another data key", why: "GCM", rec: row.rec, dek: hex(fake("another dek")), ct: hex(rowCt) },
    { name: "a bit flipped", why: "GCM", rec: row.rec, dek: hex(row.dek), ct: hex(flip(rowCt, 9)) },
    {
      name: "the same bytes sealed as a payload",
      why: "journal and payload have different keys",
      rec: row.rec,
      dek: hex(row.dek),
      ct: hex(aesGcm(encKey({ dek: row.dek, rec: row.rec, commitment: three.commitment }), Buffer.alloc(12), encAad(row.rec, three.commitment), row.plaintext)),
    },
  ],
};

function rowsOf(payload: Buffer): Buffer[] {
  if (payload.length === 0) return [];
  const text = payload.toString("latin1");
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n").map((one) => Buffer.from(one, "latin1"));
}

const payloads: { name: string; text?: string; hex?: string }[] = [
  { name: "three rows, final newline", text: '{"text":"eins"}\n{"text":"zwei"}\n{"text":"三"}\n' },
  { name: "three rows, no final newline", text: '{"text":"eins"}\n{"text":"zwei"}\n{"text":"三"}' },
  { name: "empty payload: no rows", text: "" },
  { name: "one newline: one empty row", text: "\n" },
  { name: "an empty row in the middle", text: "a\n\nb\n" },
  { name: "carriage returns belong to the row", text: "a\r\nb\r\n" },
  { name: "one row", text: "a" },
  { name: "bytes that are no text", hex: "ff000a80fe" },
  { name: "seven rows", text: "1\n2\n3\n4\n5\n6\n7\n" },
];
const rowCases = payloads.map((one) => {
  const payload = one.hex === undefined ? utf8(one.text!) : unhex(one.hex);
  const rows = rowsOf(payload);
  return { one, payload, rows, leaves: rows.map(leafHash) };
});
const seven = rowCases.at(-1)!;
const rowOpening = (j: number, leaves: readonly Buffer[], rows: readonly Buffer[]) => ({ row: j, value: hex(rows[j]!), path: inclusionPath(j, leaves).map(hex) });
const wrongRow = (name: string, why: string, code: string, changed: object, rows = 7) => ({
  name, why, code, rows, rowsRoot: hex(treeRoot(seven.leaves)), opening: { ...rowOpening(2, seven.leaves, seven.rows), ...changed },
}); // prettier-ignore

export const rowsVectors = {
  format: "spurRowsV1",
  about: "valid: a payload's rows, their leaf hashes, the rows root, and an opening of every row. invalid: openings that must not verify.",
  valid: rowCases.map(({ one, payload, rows, leaves }) => ({
    ...one,
    rows: rows.map(hex),
    leaves: leaves.map(hex),
    rowsRoot: hex(treeRoot(leaves)),
    sha256: hex(sha256(payload)),
    openings: rows.map((_, j) => rowOpening(j, leaves, rows)),
  })),
  invalid: [
    wrongRow("another row's text", "does not recompute", "opening/row", { value: hex(utf8("9")) }),
    wrongRow("another row's place", "the place is in the path", "opening/row", { row: 3 }),
    wrongRow("row with its newline", "the newline does not belong to the row", "opening/row", { value: hex(utf8("3\n")) }),
    { ...wrongRow("two lines as one row", "a newline ends a row, whatever root somebody made of it", "opening/row", { row: 0, value: hex(utf8("1\n2")), path: [hex(seven.leaves[1]!)] }, 2), rowsRoot: hex(treeRoot([leafHash(utf8("1\n2")), seven.leaves[1]!])) },
    wrongRow("row 7 of 7", "counted from 0", "opening/row", { row: 7 }),
    wrongRow("path too short", "the number of rows fixes its length", "proof/length", { path: rowOpening(2, seven.leaves, seven.rows).path.slice(1) }),
    wrongRow("number of rows differs", "it comes from the entry", "proof/length", {}, 9),
    wrongRow("an inner node passed off as a row", "rows are hashed with 0x00, nodes with 0x01", "proof/length", { row: 0, value: hex(concat(seven.leaves[0]!, seven.leaves[1]!)), path: inclusionPath(0, seven.leaves).slice(1).map(hex) }),
  ],
};

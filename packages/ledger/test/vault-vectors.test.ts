// The ledger seals exactly as /vectors says, and opens nothing else.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { seal, unseal, unsealJournal } from "../src/vault/seal.ts";
import { unwrapKey, wrapKey } from "../src/vault/key-wrap.ts";
import { editBlob } from "../../verifier/test/vector-sealing.ts";
import { valueOf } from "../../verifier/test/vector-runner.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each of the vector files has a shape of its own
type Vector = any;
const load = (name: string): Vector =>
  JSON.parse(readFileSync(new URL(`../../../vectors/${name}.json`, import.meta.url), "utf8"));
const hex = (text: string) => Buffer.from(text, "hex");
const [sealed, wrapping, journal] = [load("sealed"), load("wrapping"), load("journal")];
const open = (v: Vector, blob: (slot: number) => Uint8Array) =>
  unseal(
    hex(v.rec),
    { dek: hex(v.dek), ct: hex(v.ct), commitment: hex(v.commitment), slots: v.slots.length ?? v.slots },
    blob,
  );

it.each(sealed.valid as Vector[])("seals: $name", (v: Vector) => {
  const made = seal(hex(v.rec), v.slots.map(valueOf), hex(v.dek));
  expect([made.ct.toString("hex"), Buffer.from(made.commitment).toString("hex")]).toEqual([v.ct, v.commitment]);
  const blobs = made.blobs.map(({ slot, sha256 }) => ({ slot, sha256: sha256.toString("hex") }));
  expect(blobs).toEqual((v.blobs ?? []).map(({ slot, sha256 }: Vector) => ({ slot, sha256 })));
  const values = open(v, (slot) => made.blobs.find((one) => one.slot === slot)!.bytes);
  values.forEach((value, i) => {
    const wanted = valueOf(v.slots[i]);
    expect(value === undefined ? undefined : Buffer.compare(value, wanted!)).toBe(wanted && 0);
  });
});
it.each(sealed.invalid as Vector[])("does not open: $name", (v: Vector) =>
  expect(() => open(v, () => Buffer.alloc(0))).toThrow("vault/"),
);
it.each(sealed.blobs.invalid as Vector[])("does not open blob: $name", ({ edit }: Vector) => {
  const v = sealed.valid.find((one: Vector) => one.blobs !== undefined);
  const chunksOf = (values: Vector[]) => {
    const [blob] = seal(hex(v.rec), values, hex(v.dek)).blobs;
    const step = 65_536 + 16;
    return Array.from({ length: v.blobs[0].chunks }, (_, j) => blob!.bytes.subarray(j * step, (j + 1) * step));
  };
  const values = v.slots.map(valueOf);
  const honest = chunksOf(values);
  if (edit.valueFlip !== undefined) values[v.blobs[0].slot][edit.valueFlip] ^= 1;
  expect(() => open(v, () => editBlob(chunksOf(values), edit, honest))).toThrow("vault/");
});
it.each(wrapping.valid as Vector[])("wraps: $name", (v: Vector) => {
  expect(wrapKey(hex(v.kek), hex(v.key)).toString("hex")).toBe(v.wrapped);
  expect(unwrapKey(hex(v.kek), hex(v.wrapped)).toString("hex")).toBe(v.key);
});
it.each(wrapping.invalid as Vector[])("does not unwrap: $name", (v: Vector) =>
  expect(() => unwrapKey(hex(v.kek), hex(v.wrapped))).toThrow("vault/"),
);
it.each(journal.valid as Vector[])("journal: $name", (v: Vector) =>
  expect(unsealJournal(hex(v.rec), hex(v.dek), hex(v.ct)).toString("hex")).toBe(v.plaintext),
);
it.each(journal.invalid as Vector[])("no journal row: $name", (v: Vector) =>
  expect(() => unsealJournal(hex(v.rec), hex(v.dek), hex(v.ct))).toThrow("vault/"),
);

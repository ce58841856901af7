import { toHex } from "../../bytes.ts";
import { VerifyError } from "../../errors.ts";
import { sha256 } from "../../hash.ts";
import { canonicalBytes, type Json, type JsonObject } from "../canonical.ts";
import { integer, listOf, matching, object } from "../schema.ts";
import type { Predicate } from "../predicate.ts";
import { REGISTERS } from "../registers.ts";

/** A later version of Spur has registers that this one does not know: its closings are "not checked", they are not wrong. */
function registerName(value: Json): string | undefined {
  const wrong = matching(/^[a-z][a-z0-9-]{0,63}$/, "the name of a register")(value);
  if (wrong === undefined && !REGISTERS.includes(value as string)) {
    throw new VerifyError("entry/unknown-register", value as string);
  }
  return wrong;
}

/**
 * A closing: the last number and index of every other register below this entry's own index (`size`), sorted by name. A register
 * that is not listed has no entry. `sha256` of the subject is that of the canonical predicate.
 */
export const registers: Predicate = {
  type: "spur:registers/v1",
  register: "registers",
  slots: [],
  digests: ["sha256"],
  shape: object({
    size: integer(),
    last: listOf(object({ name: registerName, seq: integer(1), index: integer() }), 256),
  }),
  targets: {},
  also(predicate, digest) {
    const size = predicate["size"] as number;
    let before = "";
    for (const one of predicate["last"] as readonly JsonObject[]) {
      const [name, seq, index] = [one["name"] as string, one["seq"] as number, one["index"] as number];
      if (name === "registers" || name <= before) {
        throw new VerifyError("statement/schema", "registers are listed once, sorted by name, without themselves");
      }
      if (index >= size || seq > index + 1)
        throw new VerifyError("statement/schema", `${name}: ${seq} entries up to ${index}`);
      before = name;
    }
    if (toHex(sha256(canonicalBytes(predicate))) !== digest) {
      throw new VerifyError("statement/subject", "sha256 is not that of the predicate");
    }
  },
};

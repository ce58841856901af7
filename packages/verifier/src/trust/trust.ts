import { fromUtf8, utf8 } from "../bytes.ts";
import { VerifyError } from "../errors.ts";
import { CHECKS, type CheckName } from "../evidence/report.ts";
import { formatVkey, isCosigner, parseVkey, type VerifierKey } from "../note/vkey.ts";
import { isObject, type Json } from "../statement/canonical.ts";
import { anyText, demand, integer, listOf, matching, object } from "../statement/schema.ts";
import { parsePolicy, type Policy } from "./policy.ts";

const MAX_TRUST = 1_048_576;

/** What the caller believes before he looks at a file. Nothing in a file can add to it. */
export interface Trust {
  readonly policy: Policy;
  /** Keys of people and systems that sign statements, and of logs that sign receipts (named `<origin>/receipts`). */
  readonly statementKeys: readonly VerifierKey[];
  /** Checks that must pass, beyond those that always must: else exit 2. */
  readonly require: readonly CheckName[];
  /** How old a checkpoint may be, by the clock of a trusted witness. */
  readonly maxAgeHours?: number;
  /** Anchoring contracts and block headers that are believed; kept for when there are anchors. */
  readonly contracts: readonly { readonly chainId: number; readonly address: string; readonly codeHash: string }[];
  readonly blocks: readonly { readonly chainId: number; readonly number: number; readonly hash: string }[];
}

/** Trusts nobody: everything that depends on a signer reads "not checked". */
export const NO_TRUST: Trust = {
  policy: parsePolicy("quorum none\n"),
  statementKeys: [],
  require: [],
  contracts: [],
  blocks: [],
};

const hex = (bytes: number) =>
  matching(new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`), `0x and ${2 * bytes} lower-case hex digits`);
const SHAPE = object({
  format: anyText,
  policy: anyText,
  "statementKeys?": listOf(anyText),
  "require?": listOf(anyText),
  "maxAgeHours?": integer(1, 1_000_000),
  "contracts?": listOf(object({ chainId: integer(1), address: hex(20), codeHash: hex(32) })),
  "blocks?": listOf(object({ chainId: integer(1), number: integer(), hash: hex(32) })),
});

/**
 * Reads a `spur-trust/v1` file. It is its owner's own, written by hand, so white space and order are free; a member that is unknown or
 * stands twice is refused, since what was meant to protect him would be ignored. Throws `trust/…`, `policy/format`, `note/vkey`.
 */
export function parseTrust(bytes: Uint8Array): Trust {
  if (bytes.length > MAX_TRUST) throw new VerifyError("trust/format", `${bytes.length} bytes`);
  const value = parseByHand(fromUtf8(bytes));
  if (!isObject(value)) throw new VerifyError("trust/format", "not an object");
  if (value["format"] !== "spur-trust/v1")
    throw new VerifyError("trust/version", JSON.stringify(value["format"] ?? null));
  demand(SHAPE, value, "trust/format", "trust");
  const file = value as unknown as TrustFile;
  const { policy, statementKeys = [], require = [], maxAgeHours, contracts = [], blocks = [] } = file;
  for (const name of require) {
    if (!CHECKS.includes(name)) throw new VerifyError("trust/require", `${name}; known: ${CHECKS.join(", ")}`);
  }
  const age = maxAgeHours === undefined ? {} : { maxAgeHours };
  return {
    policy: parsePolicy(policy),
    statementKeys: statementKeys.map(parseVkey),
    require,
    ...age,
    contracts,
    blocks,
  };
}

type TrustFile = Partial<Omit<Trust, "policy" | "statementKeys">> & {
  policy: string;
  statementKeys?: readonly string[];
};

/** JSON.parse lets the last of two members with one name win: as many colons outside strings in what was read says that none was lost. */
function parseByHand(text: string): Json {
  const colons = (json: string) => json.replace(/"(?:[^"\\]|\\.)*"/g, "").split(":").length;
  let value: Json;
  let lost: boolean;
  try {
    value = JSON.parse(text) as Json;
    lost = colons(JSON.stringify(value)) !== colons(text);
  } catch (cause) {
    throw new VerifyError("trust/format", "not JSON, or deeper than any trust file", { cause });
  }
  if (lost) throw new VerifyError("trust/format", "a member stands twice");
  return value;
}

/** Canonical order, indented for its owner to read; `parseTrust` reads it back. */
export function formatTrust({ policy, statementKeys, require, maxAgeHours, contracts, blocks }: Trust): Uint8Array {
  // JSON.stringify leaves out what is undefined.
  const some = <T>(list: readonly T[]) => (list.length === 0 ? undefined : list);
  const file = {
    ...{ blocks: some(blocks), contracts: some(contracts), format: "spur-trust/v1", maxAgeHours },
    ...{ policy: policy.text, require: some(require), statementKeys: some(statementKeys.map(formatVkey)) },
  };
  return utf8(`${JSON.stringify(file, null, 2)}\n`);
}

/**
 * Trust in keys that the caller names one by one: logs; witnesses (types 0x04 and 0x06), all of whom must have signed; and keys named
 * `<origin>/receipts`, which sign receipts. Throws `note/vkey`, `policy/format`.
 */
export function trustFromVkeys(vkeys: readonly string[]): Trust {
  const keys = [...new Set(vkeys)].map((vkey) => ({ vkey, key: parseVkey(vkey) }));
  const witnesses = keys.filter(({ key }) => isCosigner(key));
  const receipts = keys.filter(({ key }) => !isCosigner(key) && key.name.endsWith("/receipts"));
  const logs = keys.filter((one) => !witnesses.includes(one) && !receipts.includes(one));
  const names = witnesses.map((_, i) => `w${i + 1}`);
  const lines = [
    ...logs.map(({ vkey }) => `log ${vkey}`),
    ...witnesses.map(({ vkey }, i) => `witness w${i + 1} ${vkey}`),
    ...(names.length === 0 ? ["quorum none"] : [`group all-of-them all ${names.join(" ")}`, "quorum all-of-them"]),
  ];
  return {
    ...NO_TRUST,
    policy: parsePolicy(`${lines.join("\n")}\n`),
    statementKeys: receipts.map(({ key }) => key),
  };
}

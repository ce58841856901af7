import type { Plain } from "@spur/verifier/audit/fold";
import { VerifyError } from "@spur/verifier/errors";
import { canonicalText, type Json, type JsonObject } from "@spur/verifier/statement/canonical";
import { referencesIn } from "@spur/verifier/statement/entry";
import type { Predicate } from "@spur/verifier/statement/predicate";
import type { Shape } from "@spur/verifier/statement/schema";

type References = Plain["references"];

/** Predicates that differ in nothing but references and numbers: as a regular expression, which takes a fifth of the time. */
interface Form {
  /** Groups: index and rec of each reference, in order. */
  readonly matches: RegExp;
  readonly roles: readonly string[];
  readonly hasRows: boolean;
}

/** Kept for each type of predicate. Never replaced: a log that makes up a form an entry would have us learn for nothing. */
const MAX_FORMS = 8;
const forms = new Map<string, Form[]>();

/** The largest number that a form lets through; safe, and all digits nine. */
const LARGEST = 999_999_999_999_999;
const NUMBER = "(?:0|[1-9][0-9]{0,14})";
const REFERENCE = String.raw`\{"index":(${NUMBER}),"rec":"(${"[0-9a-f]".repeat(32)})"\}`;

/**
 * The references in a predicate's text, one byte a character, that is canonical and has its shape; `needsRows`: it must say how many rows
 * there are. Undefined where `parseEntry` may refuse it, or only that can tell.
 */
export function readPredicate(known: Predicate, text: string, needsRows: boolean): References | undefined {
  // What says more than its shape is rare: left to `parseEntry`.
  if (known.also !== undefined) return undefined;
  let learnt = forms.get(known.type);
  if (learnt === undefined) forms.set(known.type, (learnt = []));
  for (let i = 0; i < learnt.length; i++) {
    const form = learnt[i] as Form;
    const found = form.matches.exec(text);
    if (found === null) continue;
    if (i > 0) [learnt[0], learnt[i]] = [form, learnt[0] as Form]; // the next is likely of this form too
    return needsRows && !form.hasRows ? undefined : referencesOf(form, found);
  }
  const value = parse(text);
  if (value === undefined || known.shape(value) !== undefined) return undefined;
  if (learnt.length < MAX_FORMS) {
    const form = formOf(known.shape, value);
    if (form.matches.test(text)) learnt.push(form);
  }
  return needsRows && value["rows"] === undefined ? undefined : referencesIn(value);
}

function referencesOf({ roles }: Form, found: RegExpExecArray): References {
  const references: References[number][] = [];
  for (let i = 0; i < roles.length; i++) {
    const target = { index: Number(found[2 * i + 1]), rec: found[2 * i + 2] as string };
    references.push({ role: roles[i] as string, target });
  }
  return references;
}

/** Undefined for what is not canonical. */
function parse(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as JsonObject;
    // Two levels down, as in an entry, so that the limit of depth is the same.
    return canonicalText([[value]]) === `[[${text}]]` ? value : undefined;
  } catch (error) {
    if (error instanceof VerifyError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * All texts that `shape` takes as surely as it takes this value's. A reference is one shape wherever it stands: any index, any record id.
 * A number's shape is a range, so where it takes the least and the largest, it takes all between. All else must be the same to the letter.
 */
function formOf(shape: Shape, value: JsonObject): Form {
  const free = [0, LARGEST].every((number) => shape(withNumbers(value, number)) === undefined);
  const roles = referencesIn(value).map(({ role }) => role);
  return { matches: new RegExp(`^${source(value, free)}$`), roles, hasRows: value["rows"] !== undefined };
}

function withNumbers(value: Json, number: number): Json {
  if (typeof value === "number") return number;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => withNumbers(item, number));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withNumbers(item, number)]));
}

/** Members and references in the order in which `referencesIn` walks: that of the text, which is sorted. */
function source(value: Json, free: boolean): string {
  if (typeof value === "number" && free) return NUMBER;
  if (typeof value !== "object" || value === null) return literal(canonicalText(value));
  if (Array.isArray(value))
    return String.raw`\[${(value as readonly Json[]).map((item) => source(item, free)).join(",")}\]`;
  if (Object.hasOwn(value, "rec")) return REFERENCE;
  const members = Object.entries(value).map(([name, item]) => `${literal(canonicalText(name))}:${source(item, free)}`);
  return String.raw`\{${members.join(",")}\}`;
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}

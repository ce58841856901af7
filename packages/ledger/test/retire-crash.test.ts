// A kill at every durable step of taking a key back: whoever starts a ledger then finds the old log, the new one, or is refused; and the
// same command goes on to the same end.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { toHex } from "@spur/verifier/bytes";
import { parseEntry } from "@spur/verifier/statement/entry";
import { Core } from "../src/core.ts";
import { keyDraft } from "../src/deployments.ts";
import { prepare } from "../src/prepare.ts";
import { retireLogKey, retireReceiptsKey, type RetiredLog } from "../src/retire.ts";
import { auditFolder, grow, newPair, ORIGIN, removeFolders } from "./log-support.ts";

afterAll(removeFolders);

const NEXT = "next.invalid/log";
const newFolder = (): string => dirname(newPair().data);
const pairIn = (base: string) => ({ data: join(base, "data"), keys: join(base, "data-keys") });
const openIn = (base: string, origin: string) => Core.open({ ...pairIn(base), origin, now: () => performance.now() });

/** A log with some entries, published; its vkeys. */
async function small(base: string): Promise<{ vkey: string; receiptsVkey: string }> {
  const core = await openIn(base, ORIGIN);
  const { logPublicKey, receiptsPublicKey, vkey, receiptsVkey } = core.info;
  const own = [keyDraft("log", "active", logPublicKey), keyDraft("receipts", "active", receiptsPublicKey)];
  core.commit([{ kind: "append", drafts: own.map((draft) => prepare(draft, Date.now()).draft) }]);
  grow(core, 3);
  await core.publication.publish();
  await core.close();
  return { vkey, receiptsVkey };
}

/** Names and bytes, but for locks and what SQLite keeps beside. */
function digestOf(folder: string): string {
  const hash = createHash("sha256");
  for (const name of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    if (/lock\.sqlite|-shm$|\.tmp$/.test(name)) continue;
    hash.update(`${name}\n`);
    if (statSync(join(folder, name)).isFile()) hash.update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}

/** Runs the command in a process of its own, and gives what a kill would have left after each of its steps, each state once. */
function everyStep(base: string, which: "log" | "receipts", options: object): { step: string; folder: string }[] {
  const to = join(newFolder(), "steps");
  mkdirSync(to);
  const child = spawnSync(
    process.execPath,
    ["--import", join(import.meta.dirname, "snapshots.ts"), join(import.meta.dirname, "retire-child.ts"), which, JSON.stringify({ data: join(base, "data"), cwd: base, ...options })],
    { env: { ...process.env, SNAPSHOT_OF: base, SNAPSHOTS_TO: to }, encoding: "utf8" },
  ); // prettier-ignore
  expect([child.status, child.stderr.replace(/^.*Warning.*$/gm, "").trim()]).toEqual([0, ""]);
  const seen = new Set<string>();
  return readdirSync(to).sort().flatMap((name) => {
    const folder = join(to, name, "base");
    const digest = digestOf(folder);
    if (seen.has(digest)) return [];
    seen.add(digest);
    return [{ step: `${name}: ${readFileSync(join(to, name, "step"), "utf8").replaceAll(base, "")}`, folder }];
  }); // prettier-ignore
}

/** Two at a time: each starts threads. */
async function each<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const left = [...all];
  const next = async (): Promise<void> => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await work(one);
  };
  await Promise.all([next(), next()]);
}

const kindsIn = (data: string, vkey: string): string[] =>
  auditFolder(data, vkey).entries.map(parseEntry).map(({ predicateType = "", predicate }) =>
    [predicateType, predicate["purpose"], predicate["state"], predicate["direction"]].filter(Boolean).join(" "),
  ); // prettier-ignore
const copied = (folder: string): string => {
  const copy = newFolder();
  cpSync(folder, copy, { recursive: true });
  return copy;
};

describe("a kill while a log is closed and another one takes its place", () => {
  const REFUSALS = ["data/not-a-pair", "log/rolled-back"];

  it("leaves the old log, the new one or a refusal; and the same command goes on to the same end", async () => {
    const base = newFolder();
    const { vkey } = await small(base);
    const steps = everyStep(base, "log", { newOrigin: NEXT });
    expect(steps.length).toBeGreaterThan(20);
    const found = new Set<string>();
    await each(steps, async ({ step, folder }) => {
      const left = copied(folder);
      try {
        // Somebody just starts it again. It must never begin a third log.
        const core = await openIn(left, "third.invalid/log").catch((error: { code: string }) => error.code);
        if (typeof core === "string") expect([step, REFUSALS]).toEqual([step, expect.arrayContaining([core])]);
        else {
          expect([ORIGIN, NEXT]).toContain(core.info.origin);
          await core.publication.publish();
          await core.close();
        }
        found.add(typeof core === "string" ? core : `${core.info.origin} ${core.info.closed ?? "open"}`);
        await expectReplaced(left, vkey);
      } catch (error) {
        throw new Error(`after ${step}`, { cause: error });
      }
    });
    expect([...found].sort()).toEqual(["data/not-a-pair", "log/rolled-back", `${NEXT} open`, `${ORIGIN} open`, `${ORIGIN} retired`]); // prettier-ignore
  }, 120_000);

  async function expectReplaced(left: string, vkey: string): Promise<void> {
    const before = readdirSync(left);
    const done = await retireLogKey({ data: join(left, "data"), cwd: left, env: {}, newOrigin: NEXT }).catch(
      (error: { code: string }) => error.code,
    );
    // After the very last step there is nothing to go on with: the new log is the one that is there.
    if (done === "recover/same-origin") expect(before.filter((name) => name.endsWith(".next"))).toEqual([]);
    else expect((done as RetiredLog).successor?.origin).toBe(NEXT);
    expect(readdirSync(left).map((name) => name.replace(/-[0-9]{8}T[0-9]{6}/, "")).sort()).toEqual(
      ["data", "data-keys", "data.retired", "data.retired-keys"],
    ); // prettier-ignore
    const aside = join(left, readdirSync(left).find((name) => /^data\.retired-\w+$/.test(name)) ?? "");
    const old = auditFolder(aside, vkey);
    expect(kindsIn(aside, vkey).slice(-4)).toEqual([
      "spur:key/v1 statements active",
      "spur:successor/v1 to",
      "spur:registers/v1",
      "spur:key/v1 log retired",
    ]);
    const next = await openIn(left, "third.invalid/log");
    await next.close();
    expect(next.info.origin).toBe(NEXT);
    const entries = auditFolder(join(left, "data"), next.info.vkey).entries.map(parseEntry);
    expect(entries.map(({ predicateType }) => predicateType)).toEqual(["spur:key/v1", "spur:key/v1", "spur:successor/v1"]); // prettier-ignore
    expect(entries[2]?.predicate).toMatchObject({ direction: "from", size: old.size, root: toHex(old.root) });
  }
});

describe("a kill while the key of receipts changes", () => {
  it("leaves one key that the log vouches for; and the same command makes no second change", async () => {
    const base = newFolder();
    const { vkey, receiptsVkey } = await small(base);
    // With the last step it is done, and who types it again wants another change.
    const steps = everyStep(base, "receipts", {}).slice(0, -1);
    expect(steps.length).toBeGreaterThan(7);
    const found = new Set<boolean>();
    await each(steps, async ({ step, folder }) => {
      const left = copied(folder);
      try {
        const core = await openIn(left, ORIGIN);
        const said = core.read(0, core.size).map(parseEntry).filter(({ predicate }) => predicate["purpose"] === "receipts"); // prettier-ignore
        const current = toHex(createHash("sha256").update(core.info.receiptsPublicKey).digest());
        expect(said.filter(({ sha256 }) => toHex(sha256 ?? new Uint8Array()) === current).map(({ predicate }) => predicate["state"])).toEqual(["active"]); // prettier-ignore
        found.add(core.info.receiptsVkey === receiptsVkey);
        // Each answer under the key that is vouched for at its index.
        const text = (index: number): string => `spur-receipt/v1\n${ORIGIN}\n${"0".repeat(32)}\n${index}\nx\nx\n`;
        const signers = core.publication.signReceipts([text(4), text(99)]).map((one) => one.vkey);
        expect(signers).toEqual([receiptsVkey, core.info.receiptsVkey]);
        await core.close();

        const again = copied(folder);
        await retireReceiptsKey({ data: join(again, "data"), cwd: again, env: {} });
        expect(kindsIn(join(again, "data"), vkey).filter((kind) => kind.includes("receipts"))).toEqual([
          "spur:key/v1 receipts active",
          "spur:key/v1 receipts active",
          "spur:key/v1 receipts retired",
        ]);
        expect(readdirSync(join(again, "data-keys")).filter((name) => name.startsWith("receipts."))).toEqual([
          "receipts.key",
          "receipts.until.6.key",
        ]);
      } catch (error) {
        throw new Error(`after ${step}`, { cause: error });
      }
    });
    expect(found.size).toBe(2);
  }, 60_000);
});

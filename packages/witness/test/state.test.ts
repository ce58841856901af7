// Folders and keys: what a start demands, and that a start which is refused has changed nothing.
import { chmodSync, cpSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, it } from "vitest";
import { fromBase64 } from "@spur/verifier/bytes";
import { parseVkey } from "@spur/verifier/note/note";
import { lockFolder } from "../src/lock.ts";
import { listLogs } from "../src/manage.ts";
import { TestLog } from "./log.ts";
import { cleanUp, cosignedAt, startTestWitness, temporaryFolder } from "./running.ts";

afterAll(cleanUp);

const folders = (): { data: string; keys: string } => {
  const folder = temporaryFolder();
  return { data: join(folder, "data"), keys: join(folder, "keys") };
};
const code = (what: string) => expect.objectContaining({ code: what }) as unknown;

/** A witness that has cosigned `sizes` of one log, one after another, and was stopped. */
async function lived(
  place: { data: string; keys: string },
  log: TestLog,
  ...sizes: readonly number[]
): Promise<readonly string[]> {
  const witness = await startTestWitness(place);
  witness.add(log);
  for (const size of sizes) {
    const old = listLogs(place.data).logs[0]?.size ?? 0;
    expect((await witness.post(log.request(old, size))).status).toBe(200);
  }
  await witness.close();
  return witness.vkeys;
}

describe("the first start", () => {
  it("makes keys that only the owner can read, in the form of Go's tools, and keeps them", async () => {
    const place = folders();
    const first = await startTestWitness(place);
    await first.close();
    const again = await startTestWitness(place);
    expect(again.vkeys).toEqual(first.vkeys);
    const types = again.vkeys.map((vkey) => parseVkey(vkey));
    expect(types.map(({ name }) => name)).toEqual(again.vkeys.map(() => "witness.test/w1"));
    expect(types[0]?.type).toBe(0x04);
    for (const [file, type] of [
      ["witness.key", 0x04],
      ["witness-ml-dsa.key", 0x06],
    ] as const) {
      const key = types.find((one) => one.type === type);
      if (key === undefined) continue;
      expect(statSync(join(place.keys, file)).mode & 0o777).toBe(0o600);
      const [, name, id, secret] =
        /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+(.+)\n$/.exec(readFileSync(join(place.keys, file), "utf8")) ?? [];
      expect([name, id]).toEqual(["witness.test/w1", key.keyId.toString(16).padStart(8, "0")]);
      expect([...fromBase64(secret ?? "").subarray(0, 1), fromBase64(secret ?? "").length]).toEqual([type, 33]);
    }
    expect(statSync(place.keys).mode & 0o777).toBe(0o700);
  });

  it("gives itself a name that nobody owns where none is given", async () => {
    const place = folders();
    const { name: _, ...settings } = { ...place, name: undefined };
    const witness = await startTestWitness({ ...settings, name: undefined as never });
    expect(witness.name).toMatch(/^witness-[0-9a-f]{8}\.spur\.invalid$/);
  });

  it("signs with Ed25519 alone where the other key is not there", async () => {
    const place = folders();
    const log = new TestLog("state.test/one-key");
    await (await startTestWitness(place)).close();
    rmSync(join(place.keys, "witness-ml-dsa.key"), { force: true });
    const witness = await startTestWitness({ ...place, logs: [log] });
    expect(witness.vkeys).toHaveLength(1);
    const answer = await witness.post(log.request(0, 3));
    expect(cosignedAt(witness, log.note(3), answer.text)).toHaveLength(1);
  });

  it.each(["with space", "with+plus", "line\nbreak", ""])("refuses the name %j", async (name) => {
    await expect(startTestWitness({ ...folders(), name })).rejects.toEqual(code("witness/name"));
  });
});

describe("a later start", () => {
  it("goes on where the last one ended", async () => {
    const place = folders();
    const log = new TestLog("state.test/log");
    await lived(place, log, 3, 7);
    const witness = await startTestWitness(place);
    expect(await witness.post(log.request(3, 9))).toMatchObject({ status: 409, text: "7\n" });
    expect((await witness.post(log.request(7, 9))).status).toBe(200);
  });

  it("refuses an older copy of the data: it would sign a second history", async () => {
    const place = folders();
    const log = new TestLog("state.test/log");
    await lived(place, log, 3);
    cpSync(place.data, `${place.data}-backup`, { recursive: true });
    await lived(place, log, 7);
    rmSync(place.data, { recursive: true });
    renameSync(`${place.data}-backup`, place.data);
    await expect(startTestWitness(place)).rejects.toEqual(code("witness/rolled-back"));
    expect(listLogs(place.data).logs).toMatchObject([{ size: 3 }]);
  });

  it("refuses a new data folder beside keys that have signed, and data without their keys", async () => {
    const place = folders();
    const log = new TestLog("state.test/log");
    await lived(place, log, 3);
    await expect(startTestWitness({ ...place, data: folders().data })).rejects.toEqual(code("data/not-a-pair"));
    await expect(startTestWitness({ ...place, keys: folders().keys })).rejects.toEqual(code("keys/missing"));
    renameSync(join(place.keys, "seen"), join(place.keys, "seen.aside"));
    await expect(startTestWitness(place)).rejects.toEqual(code("keys/missing"));
    renameSync(join(place.keys, "seen.aside"), join(place.keys, "seen"));
    renameSync(join(place.keys, "witness.key"), join(place.keys, "aside"));
    await expect(startTestWitness(place)).rejects.toEqual(code("keys/missing"));
    renameSync(join(place.keys, "aside"), join(place.keys, "witness.key"));
    await (await startTestWitness(place)).close();
  });

  it("refuses keys that are damaged, that are of two witnesses, or that others can read", async () => {
    const place = folders();
    await lived(place, new TestLog("state.test/log"), 3);
    const file = join(place.keys, "witness.key");
    const good = readFileSync(file, "utf8");
    const other = folders();
    await (await startTestWitness({ ...other, name: "witness.test/w2" })).close();
    for (const text of ["", good.slice(0, -4), good.replace("w1", "w2"), good.replace(/.{8}\n$/, "AAAAAAA=\n")]) {
      writeFileSync(file, text, { mode: 0o600 });
      await expect(startTestWitness(place), text).rejects.toEqual(code("keys/damaged"));
    }
    writeFileSync(file, good);
    const second = join(other.keys, "witness-ml-dsa.key");
    if (statSync(second, { throwIfNoEntry: false }) !== undefined) {
      cpSync(join(place.keys, "witness-ml-dsa.key"), join(place.keys, "aside"));
      cpSync(second, join(place.keys, "witness-ml-dsa.key"));
      await expect(startTestWitness(place)).rejects.toEqual(code("keys/damaged"));
      renameSync(join(place.keys, "aside"), join(place.keys, "witness-ml-dsa.key"));
    }
    writeFileSync(join(place.keys, "seen"), "spur-witness-seen/v2 x\n");
    await expect(startTestWitness(place)).rejects.toEqual(code("keys/damaged"));
    if (process.platform !== "win32") {
      chmodSync(file, 0o644);
      await expect(startTestWitness(place)).rejects.toEqual(code("keys/exposed"));
    }
  });

  it("refuses another name, a busy port, keys inside the data, and data of a newer program", async () => {
    const place = folders();
    const first = await startTestWitness(place);
    await expect(startTestWitness({ ...place, keys: join(place.data, "keys") })).rejects.toEqual(
      code("config/keys-inside-data"),
    );
    await expect(startTestWitness({ ...folders(), port: Number(new URL(first.url).port) })).rejects.toEqual(
      code("config/port-taken"),
    );
    await first.close();
    await expect(startTestWitness({ ...place, name: "witness.test/other" })).rejects.toEqual(
      code("witness/other-name"),
    );
    const database = new DatabaseSync(join(place.data, "witness.sqlite"));
    database.exec("pragma user_version = 2");
    database.close();
    await expect(startTestWitness(place)).rejects.toEqual(code("data/too-new"));
  });
});

describe("one folder", () => {
  it("has one witness at a time, and logs can be added beside it", async () => {
    const place = folders();
    const log = new TestLog("state.test/log");
    const witness = await startTestWitness(place);
    await expect(startTestWitness(place)).rejects.toEqual(code("data/locked"));
    expect(() => lockFolder(place.data)).toThrow(code("data/locked"));
    expect((await witness.post(log.request(0, 3))).status).toBe(404);
    witness.add(log);
    expect((await witness.post(log.request(0, 3))).status).toBe(200);
    await witness.close();
    await (await startTestWitness(place)).close();
  });

  it("that holds no witness is named", () => {
    expect(() => listLogs(folders().data)).toThrow(code("witness/none"));
  });

  it("whose database somebody else keeps locked answers 503, and goes on after that", { timeout: 20_000 }, async () => {
    const log = new TestLog("state.test/log");
    const witness = await startTestWitness({ logs: [log] });
    const other = new DatabaseSync(join(witness.data, "witness.sqlite"));
    other.exec("begin immediate");
    expect(await witness.post(log.request(0, 3))).toMatchObject({
      status: 503,
      text: expect.stringContaining("data/busy"),
    });
    other.exec("rollback");
    other.close();
    expect((await witness.post(log.request(0, 3))).status).toBe(200);
  });
});

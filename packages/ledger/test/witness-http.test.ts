// A ledger that publishes under a policy, seen from outside: health, the head, evidence, removals, and how it is told of its witnesses.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyEvidence } from "@spur/verifier/evidence/verify";
import { parsePolicy } from "@spur/verifier/trust/policy";
import { NO_TRUST } from "@spur/verifier/trust/trust";
import { cleanUp, startTestLedger, temporaryFolder, type TestLedger } from "../../../test/support/ledger.ts";
import { codeOf } from "./log-support.ts";
import { policyOf, startRealWitness, type RealWitness } from "./witness-support.ts";

const folder = mkdtempSync(join(tmpdir(), "spur-witness-http-"));
const ORIGIN = "witnessed.invalid/log";
let witnesses: RealWitness[] = [];
let policyFile = "";
const base = temporaryFolder();
let vkey = "";
let operatorKey = "";

const start = (more: Parameters<typeof startTestLedger>[0] = {}): Promise<TestLedger> =>
  startTestLedger({ folder: base, origin: ORIGIN, operatorKey, witnessPolicy: policyFile, ...more });

beforeAll(async () => {
  witnesses = await Promise.all(
    [0, 1, 2].map((i) => startRealWitness(mkdtempSync(join(folder, "w-")), `w${i}.invalid`)),
  );
  // The first start tells the key, which the witnesses must know before there is a policy.
  const first = await startTestLedger({ folder: base, origin: ORIGIN });
  vkey = first.ledger.vkey;
  operatorKey = first.key;
  await first.ledger.close();
  for (const one of witnesses) one.knows(ORIGIN, vkey);
  policyFile = join(folder, "policy");
  writeFileSync(policyFile, `log ${vkey}\n${policyOf(2, witnesses)}`);
});

afterAll(async () => {
  await cleanUp();
  for (const one of witnesses) await one.stop();
  rmSync(folder, { recursive: true, force: true });
});

const source = {
  predicateType: "spur:source/v1",
  predicate: { kind: "own", bytes: 1 },
  slots: { name: "what nobody may read" },
};

async function record(spur: TestLedger): Promise<string> {
  const body = { drafts: [source] };
  const { records } = (await spur.good("POST", "/spur/v1/records", { body })) as { records: { rec: string }[] };
  return records[0]?.rec ?? "";
}

describe("a ledger with a witness policy", () => {
  it("shows its witnesses, to strangers without addresses, and its evidence carries their quorum", async () => {
    const spur = await start();
    expect(spur.ledger.notices).toContain("checkpoints are published with cosignatures of w1, w2, w3");
    const rec = await record(spur);
    await spur.good("POST", "/spur/v1/publish");
    const health = await spur.good("GET", "/health");
    expect(health).toMatchObject({ status: "ok", witnesses: { quorum: "met", witnesses: [{ name: "w1", key: "w0.invalid", size: health.size, url: witnesses[0]?.url }, {}, {}] } }); // prettier-ignore
    const stranger = await (await fetch(`${spur.url}/health`)).text();
    expect(stranger).toContain('"key":"w0.invalid"');
    expect(stranger).not.toContain("url");
    const head = await spur.good("GET", "/spur/v1/head");
    expect(head.witnesses.witnesses).toHaveLength(3);
    expect(head.published.checkpoint.split("\n").filter((line: string) => line.startsWith("— "))).toHaveLength(4);
    const evidence = await spur.call("GET", `/spur/v1/records/${rec}/evidence`);
    // The operator's policy file is a reader's policy as it is.
    const policy = parsePolicy(`log ${vkey}\n${policyOf(3, witnesses)}`);
    const report = verifyEvidence(evidence.bytes, { ...NO_TRUST, policy });
    const found = report.findings.find(({ check }) => check === "witnesses");
    expect([found?.verdict, found?.values]).toEqual(["pass", { count: 3 }]);
    expect(report.findings.filter(({ check, verdict }) => check === "signature line" && verdict !== "pass")).toEqual(
      [],
    );
    await spur.ledger.close();
  });

  it("says that it does not publish, and why; an order to remove stands, and is carried out when there are witnesses again", async () => {
    const spur = await start();
    const rec = await record(spur);
    await spur.good("POST", "/spur/v1/publish");
    for (const one of witnesses) await one.stop();
    const removal = await spur.call("POST", "/spur/v1/removals", { body: { rec, basis: "erasure-request" } });
    expect([removal.status, removal.json.code]).toEqual([503, "log/no-quorum"]);
    expect(removal.json.detail).toContain("w1: unreachable");
    const health = await spur.call("GET", "/health");
    expect(health.status).toBe(503);
    expect(health.json).toMatchObject({ status: "failing", witnesses: { quorum: "not-met", waiting: { size: health.json.size }, witnesses: [{ failing: { reason: "unreachable" } }, {}, {}] } }); // prettier-ignore
    const stranger = await fetch(`${spur.url}/health`);
    expect(stranger.status).toBe(503);
    expect(await stranger.text()).not.toMatch(/127\.0\.0\.1|ECONN/);
    const opened = await spur.call("GET", `/spur/v1/records/${rec}/evidence?open=name`);
    expect(opened.status).toBe(410);
    await spur.ledger.close();
    // Witnesses that cannot be asked do not keep a ledger from starting.
    const again = await start();
    expect(again.ledger.notices.join("\n")).toContain("Removals that were ordered wait for witnesses");
    expect(again.ledger.notices.join("\n")).toMatch(
      /witness w2 at http:\/\/127\.0\.0\.1:[0-9]+ is no use at present: ECONNREFUSED/,
    );
    expect((await again.ledger.ledger.thread.call("openRemovals")).map((one) => one.rec)).toEqual([rec]);
    await again.ledger.close();
    for (const one of witnesses) await one.start();
    const third = await start();
    expect(await third.ledger.ledger.thread.call("openRemovals")).toEqual([]);
    expect(third.ledger.notices.join("\n")).toContain("1 removals that the last stop interrupted are completed");
    const trace = await third.good("GET", `/spur/v1/records/${rec}`);
    expect(trace.removed ?? trace.state).toBeTruthy();
    await third.ledger.close();
  });

  it("does not start over witnesses that know more: another copy of it has been there", async () => {
    const { cpSync } = await import("node:fs");
    const copy = temporaryFolder();
    for (const name of ["data", "data-keys"]) cpSync(join(base, name), join(copy, name), { recursive: true });
    const spur = await start();
    await record(spur);
    await spur.good("POST", "/spur/v1/publish");
    await spur.ledger.close();
    expect(await codeOf(() => start({ folder: copy }))).toBe("log/rolled-back");
  });
});

describe("how it is told", () => {
  const settings = (more: object) => codeOf(() => start({ folder: temporaryFolder(), ...more }));
  const written = (text: string): string => {
    const path = join(folder, `policy-${Math.random()}`);
    writeFileSync(path, text);
    return path;
  };

  it("by flag, environment or file, in this order", async () => {
    const none = policyOf("none", witnesses);
    const good = written(none);
    const fromEnv = await startTestLedger({
      env: { SPUR_WITNESS_POLICY: good, SPUR_OWN_WITNESS: "w1", SPUR_DETECT_ONLY: "1" },
    });
    expect(fromEnv.ledger.config.witnesses).toEqual({ policy: none, own: ["w1"], detectOnly: true });
    expect(fromEnv.ledger.notices.join("\n")).toContain("w1 (your own, not counted)");
    expect(fromEnv.ledger.notices.join("\n")).toContain("--detect-only");
    const spurYaml = temporaryFolder();
    writeFileSync(join(spurYaml, "spur.yaml"), `witnessPolicy: ${good}\nownWitness: [w2]\ndetectOnly: true\n`);
    const fromFile = await startTestLedger({ cwd: spurYaml, env: { SPUR_OWN_WITNESS: "w3,w1" } });
    expect(fromFile.ledger.config.witnesses?.own).toEqual(["w3", "w1"]);
    expect((await startTestLedger()).ledger.config.witnesses).toBeUndefined();
  });

  it("and refuses, before a log is made, what cannot be meant", async () => {
    expect(await settings({ witnessPolicy: join(folder, "nowhere") })).toBe("config/witness-policy");
    expect(await settings({ witnessPolicy: undefined, detectOnly: true })).toBe("config/witness-policy");
    expect(await settings({ witnessPolicy: undefined, ownWitness: "w1" })).toBe("config/witness-policy");
    expect(await settings({ witnessPolicy: written("quorum nobody\n") })).toBe("witnesses/policy");
    expect(await settings({ witnessPolicy: written(policyOf(1, witnesses)) })).toBe("witnesses/quorum-splits");
    expect(await settings({ ownWitness: "w9" })).toBe("witnesses/own-unknown");
  });
});

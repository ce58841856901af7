// A log whose policy trusts a witness's ML-DSA-44 key alone: both threads must know how to check it.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openNote, parseNote, parseVkey, TYPE_ML_DSA_44 } from "@spur/verifier/note/note";
import { listedLog } from "../../witness/src/log-list.ts";
import { addLogs } from "../../witness/src/manage.ts";
import { startWitness } from "../../witness/src/serve.ts";
import { cleanUp, startTestLedger, temporaryFolder } from "../../../test/support/ledger.ts";

afterAll(cleanUp);

it("is published with that witness's cosignature, and counted", async () => {
  const folder = temporaryFolder();
  const witness = await startWitness({
    data: join(folder, "witness"),
    keys: join(folder, "witness-keys"),
    host: "127.0.0.1",
    port: 0,
    name: "witness.test/w1",
    now: () => Date.now(),
    onError: () => undefined,
  });
  try {
    const vkey = witness.vkeys.find((one) => parseVkey(one).type === TYPE_ML_DSA_44) ?? "";
    const first = await startTestLedger({ folder });
    await first.ledger.close();
    addLogs(join(folder, "witness"), [listedLog(first.ledger.vkey, {})]);
    const policy = `log ${first.ledger.vkey}\nwitness w ${vkey} ${witness.url}\nquorum w\n`;
    writeFileSync(join(folder, "witnesses.policy"), policy);
    const spur = await startTestLedger({ folder, witnessPolicy: "witnesses.policy" });
    const { checkpoint } = (await spur.ledger.publish()) as unknown as { checkpoint: Uint8Array };
    const { verified } = openNote(parseNote(Buffer.from(checkpoint).toString("utf8")), [parseVkey(vkey)]);
    expect(verified.map(({ key }) => key.name)).toEqual(["witness.test/w1"]);
    expect((await spur.call("GET", "/health")).json).toMatchObject({ status: "ok", witnesses: { quorum: "met" } });
    await spur.ledger.close();
  } finally {
    await witness.close();
  }
});

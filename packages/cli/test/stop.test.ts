// A program that was started through npm, stopped as a supervisor does it: npm is told, and npm's shell tells nobody.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");
const folder = mkdtempSync(join(tmpdir(), "spur-stop-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("ends what `npx spur` started when npx is told to stop", async () => {
  const words = ["spur", "witness", "serve", "--data", join(folder, "witness"), "--listen", "127.0.0.1:0", "--json"];
  const npx = spawn("npx", words, { cwd: root, stdio: ["ignore", "pipe", "ignore"] });
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    npx.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith("}\n")) resolve((JSON.parse(text) as { url: string }).url);
    });
    npx.once("exit", (code) => reject(new Error(`ended with ${code}: ${text}`)));
    npx.once("error", reject);
  });
  const answers = (): Promise<boolean> => fetch(`${url}/health`).then((one) => one.ok, () => false); // prettier-ignore
  expect(await answers()).toBe(true);
  npx.kill("SIGTERM");
  for (let i = 0; i < 40 && (await answers()); i++) await sleep(250);
  expect(await answers()).toBe(false);
}, 60_000);

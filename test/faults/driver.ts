// A ledger with its gateway in a process of its own, to be killed. Prints one JSON line when it answers, or why it must not run;
// ends in good order when its standard input ends.
import { startLedger } from "@spur/ledger/main";

const [data, keys, upstream, publishEvery] = process.argv.slice(2) as [string, string, string, string];

try {
  const ledger = await startLedger({
    data,
    keys,
    port: 0,
    origin: "faults.invalid/log",
    upstreams: [{ url: upstream }],
    discover: false,
    publishEvery: Number(publishEvery),
    logLevel: "silent",
    env: {},
    cwd: "/",
  });
  process.stdout.write(`${JSON.stringify({ url: ledger.url, vkey: ledger.vkey })}\n`);
  process.stdin.resume();
  process.stdin.on("end", () => {
    void ledger.close().then(() => process.exit(0));
  });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  process.stdout.write(`${JSON.stringify({ refused: code ?? "none", message })}\n`);
  process.exitCode = 3;
}

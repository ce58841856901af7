// Destroys what is ordered, between two calls that a trace can be cut at.
import { statSync } from "node:fs";
import { openCore } from "../../packages/ledger/test/log-support.ts";

const [data, keys, ...recs] = process.argv.slice(2) as [string, string, ...string[]];
const core = await openCore({ data, keys });
const mark = (name: string): void => void statSync(`/${name}`, { throwIfNoEntry: false });
mark("spur-destruction-begins");
core.destroy(recs);
mark("spur-destruction-ends");
process.kill(process.pid, "SIGKILL");

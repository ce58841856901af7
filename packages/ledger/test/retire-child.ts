// What a test kills: `node retire-child.ts log|receipts '{"data":…}'`.
import { retireLogKey, retireReceiptsKey } from "../src/retire.ts";

const [which, options] = process.argv.slice(2);
const wanted = { env: {}, ...(JSON.parse(options ?? "{}") as { cwd: string }) };
await (which === "log" ? retireLogKey(wanted) : retireReceiptsKey(wanted));

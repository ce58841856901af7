// The calibration of the gateway: a proxy of Node's http and undici that does nothing but pass bytes on. Argument: the upstream's URL.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

const upstream = new URL(process.argv[2] as string);
const pool = new Pool(upstream.origin, { pipelining: 1 });

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const options = { path: request.url as string, method: request.method as "POST", headers: { "content-type": "application/json" }, body: Buffer.concat(chunks), opaque: response }; // prettier-ignore
    pool.stream(options, ({ statusCode, headers }) => {
      response.writeHead(statusCode, { "content-type": String(headers["content-type"]) });
      response.flushHeaders();
      return response;
    }).catch(() => response.destroy()); // prettier-ignore
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }));
});
process.on("SIGTERM", () => process.exit(0));

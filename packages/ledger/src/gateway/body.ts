import type { Readable } from "node:stream";
import { SpurError } from "../errors.ts";

/**
 * Reads a request's body as it comes, up to `limit` bytes; throws `gateway/body-too-long` beyond.
 * A body that is too long is read to its end, up to four times the limit, and thrown away: whoever answers a client that is
 * still sending and hangs up makes it see a broken connection instead of the answer. Throws `gateway/bad-request` for a
 * body that breaks off.
 */
export function readBody(source: Readable, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    const tooLong = (): SpurError =>
      new SpurError("gateway/body-too-long", `the request's body is longer than ${limit} bytes`, { status: 413 });
    source.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limit) {
        chunks.push(chunk);
        return;
      }
      chunks = [];
      if (bytes > 4 * limit) {
        source.pause();
        reject(tooLong());
      }
    });
    const broken = (): void => {
      reject(new SpurError("gateway/bad-request", "the request's body broke off", { status: 400 }));
    };
    source.on("end", () => {
      source.off("close", broken); // every request closes in the end
      if (bytes > limit) reject(tooLong());
      else resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes));
    });
    source.on("error", broken);
    source.on("close", broken);
  });
}

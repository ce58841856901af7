// What serving the log is put together from: turns, shared work, compressed bundles, conditions of requests.
import { randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { acceptsGzip, hasTag } from "../src/api/conditions.ts";
import { PackedBundles } from "../src/api/packed-bundles.ts";
import { shared, turns } from "../src/api/turns.ts";

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
const never = (): Promise<Uint8Array> => Promise.reject(new Error("read again"));

describe("turns", () => {
  it("are taken by so many at a time, in order, and go on after errors", async () => {
    const turn = turns(3);
    const order: number[] = [];
    let under = 0;
    let most = 0;
    const all = Array.from({ length: 50 }, (_, i) =>
      turn(async () => {
        most = Math.max(most, ++under);
        order.push(i);
        await soon();
        under--;
        if (i % 7 === 0) throw new Error(`the ${i}th`);
        return i;
      }),
    );
    const ended = await Promise.allSettled(all);
    expect(most).toBe(3);
    expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(ended.filter(({ status }) => status === "rejected")).toHaveLength(8);
    expect(await turn(() => Promise.resolve("last"))).toBe("last");
  });
});

describe("shared work", () => {
  it("is done once for all who ask before it begins, and again for who asks after", async () => {
    let truth = 0;
    let runs = 0;
    const read = shared(async () => {
      runs++;
      const seen = truth;
      await soon();
      return seen;
    });
    const first = Promise.all([read(), read(), read()]);
    await Promise.resolve();
    await Promise.resolve();
    expect(runs).toBe(1);
    truth = 1; // the run under way has not seen it
    const second = Promise.all([read(), read()]);
    expect([await first, await second, runs]).toEqual([[0, 0, 0], [1, 1], 2]);
    truth = 2;
    expect([await read(), runs]).toEqual([2, 3]);
  });

  it("goes on after an error, which all who shared it hear", async () => {
    let fails = true;
    const work = shared(async () => {
      await soon();
      if (fails) throw new Error("disk");
      return "read";
    });
    const ended = await Promise.allSettled([work(), work()]);
    expect(ended.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    fails = false;
    expect(await work()).toBe("read");
  });
});

describe("compressed bundles", () => {
  it("are compressed once for all who ask at once, and kept", async () => {
    const packed = new PackedBundles();
    const plain = Buffer.from("one entry like the other, ".repeat(1000));
    let reads = 0;
    const read = async (): Promise<Uint8Array> => {
      reads++;
      await soon();
      return plain;
    };
    const got = await Promise.all(Array.from({ length: 100 }, () => packed.pack("a", read)));
    expect(reads).toBe(1);
    for (const one of got) expect(one && gunzipSync(one).equals(plain)).toBe(true);
    expect(packed.kept("a")).toBe(got[0]);
    expect(await packed.pack("a", never)).toBe(got[0]);
  });

  it("are forgotten when they become too many, the one that was asked for longest ago first", async () => {
    const packed = new PackedBundles();
    const megabyte = (): Promise<Uint8Array> => Promise.resolve(randomBytes(1024 * 1024)); // does not shrink
    for (let i = 0; i < 7; i++) await packed.pack(`bundle ${i}`, megabyte);
    expect(packed.kept("bundle 0")).toBeDefined(); // asked for again
    for (let i = 7; i < 12; i++) await packed.pack(`bundle ${i}`, megabyte);
    const there = Array.from({ length: 12 }, (_, i) => i).filter((i) => packed.kept(`bundle ${i}`) !== undefined);
    expect(there).toEqual([0, 6, 7, 8, 9, 10, 11]);
    expect(packed.keptBytes).toBeLessThanOrEqual(8 * 1024 * 1024);
  });

  it("are left as they are while many others are compressed, and after an error tried again", async () => {
    const packed = new PackedBundles();
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const slow = Array.from({ length: 8 }, (_, i) =>
      packed.pack(`slow ${i}`, async () => {
        await gate;
        if (i === 3) throw new Error("disk");
        return new Uint8Array(1000);
      }),
    );
    const ended = Promise.allSettled(slow);
    expect(await packed.pack("one more", never)).toBeUndefined();
    go();
    expect((await ended).filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect(packed.kept("slow 3")).toBeUndefined();
    expect(await packed.pack("slow 3", () => Promise.resolve(new Uint8Array(1000)))).toBeDefined();
  });
});

describe("conditions", () => {
  it.each([
    [undefined, false],
    ["", false],
    ["gzip", true],
    ["x-gzip", true],
    [" GZip ; Q=0.3 , br", true],
    ["deflate, gzip;q=1.0, *;q=0.5", true],
    ["*", true],
    ["*;q=0", false],
    ["gzip;q=0, *", false],
    ["*;q=0, gzip", true],
    ["gzip;q=0.000", false],
    ["gzip;q=nothing", false],
    ["identity, br, zstd", false],
    ["gzipped", false],
    [",,;,", false],
  ])("Accept-Encoding: %s", (header, wanted) => {
    expect(acceptsGzip(header)).toBe(wanted);
  });

  it.each([
    [undefined, false],
    ["", false],
    ['"a"', true],
    ['W/"a"', true],
    ['"b", W/"a" ,"c"', true],
    ["*", true],
    ["a", false],
    ['"A"', false],
    ['"b"', false],
  ])("If-None-Match: %s", (header, known) => {
    expect([hasTag(header, 'W/"a"'), hasTag(header, '"a"')]).toEqual([known, known]);
  });
});

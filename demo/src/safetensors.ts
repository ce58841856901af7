import { DemoError } from "./errors.ts";

/** Tensors of one safetensors file, by name; and its `__metadata__`, strings only. */
export type Tensors = {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly metadata: Readonly<Record<string, string>>;
};
export type Tensor = {
  readonly dtype: "F32" | "U8";
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint8Array;
};

const MAX_HEADER_BYTES = 1 << 20;
const WIDTH = { F32: 4, U8: 1 } as const;
const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * One file, one way to write it: names sorted by code units, keys of each tensor in the order dtype, shape, data_offsets, no white space except
 * the spaces that pad the header to a multiple of 8, data little-endian and without holes. Equal tensors give equal bytes on every machine.
 * @throws DemoError `safetensors/shape`, `safetensors/not-finite`
 */
export function saveSafetensors({ tensors, metadata }: Tensors): Uint8Array {
  const names = Object.keys(tensors).sort(byCodeUnits);
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) {
    header["__metadata__"] = Object.fromEntries(
      Object.keys(metadata)
        .sort(byCodeUnits)
        .map((k) => [k, metadata[k]]),
    );
  }
  let end = 0;
  for (const name of names) {
    const { dtype, shape, data } = tensors[name]!;
    if (shape.reduce((a, b) => a * b, 1) !== data.length || (dtype === "F32") !== data instanceof Float32Array) {
      throw new DemoError("safetensors/shape", `${name}: ${dtype} [${shape.join(",")}] over ${data.length} values`);
    }
    const begin = end;
    end += data.length * WIDTH[dtype];
    header[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  // JSON.stringify keeps insertion order for all names but integer-like ones ("0"), which it would move to the front.
  const json = `{${Object.entries(header)
    .sort(([a], [b]) => byCodeUnits(a, b))
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join(",")}}`;
  const unpadded = new TextEncoder().encode(json);
  const headerBytes = new Uint8Array(Math.ceil(unpadded.length / 8) * 8).fill(0x20);
  headerBytes.set(unpadded);
  if (headerBytes.length > MAX_HEADER_BYTES) throw new DemoError("safetensors/header", "longer than 1 MiB");

  const out = new Uint8Array(8 + headerBytes.length + end);
  const view = new DataView(out.buffer);
  view.setUint32(0, headerBytes.length, true); // the upper half of the 64-bit length stays 0
  out.set(headerBytes, 8);
  let offset = 8 + headerBytes.length;
  for (const name of names) {
    const { data } = tensors[name]!;
    if (data instanceof Float32Array) {
      for (let i = 0; i < data.length; i++, offset += 4) {
        const value = data[i]!;
        if (value - value !== 0) throw new DemoError("safetensors/not-finite", `${name}[${i}]`); // NaN has many bit patterns
        view.setFloat32(offset, value, true);
      }
    } else {
      out.set(data, offset);
      offset += data.length;
    }
  }
  return out;
}

/**
 * Reads what `saveSafetensors` writes and refuses every other spelling (holes, overlaps, unknown members, other order): the file may come from
 * anyone, and two spellings of one model would have two digests. F32 and U8 only.
 * @throws DemoError `safetensors/length`, `safetensors/header`, `safetensors/shape`, `safetensors/not-finite`, `safetensors/canonical`
 */
export function loadSafetensors(bytes: Uint8Array): Tensors {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8) throw new DemoError("safetensors/length", `${bytes.length} bytes`);
  const headerLength = view.getUint32(0, true);
  if (view.getUint32(4, true) !== 0 || headerLength > MAX_HEADER_BYTES || 8 + headerLength > bytes.length) {
    throw new DemoError("safetensors/length", "header longer than the file or than 1 MiB");
  }
  const { tensors: layout, metadata } = readHeader(bytes.subarray(8, 8 + headerLength));
  const data = bytes.subarray(8 + headerLength);
  const tensors: Record<string, Tensor> = {};
  let end = 0;
  for (const [name, dtype, shape, begin, stop] of layout) {
    const count = shape.reduce((a, b) => a * b, 1);
    if (begin !== end || stop - begin !== count * WIDTH[dtype] || stop > data.length) {
      throw new DemoError("safetensors/shape", `${name}: [${shape.join(",")}] at ${begin}..${stop}`);
    }
    end = stop;
    if (dtype === "U8") {
      tensors[name] = { dtype, shape, data: data.slice(begin, stop) };
      continue;
    }
    const values = new Float32Array(count);
    for (let i = 0, at = 8 + headerLength + begin; i < count; i++, at += 4) {
      const value = view.getFloat32(at, true);
      if (value - value !== 0) throw new DemoError("safetensors/not-finite", `${name}[${i}]`);
      values[i] = value;
    }
    tensors[name] = { dtype, shape, data: values };
  }
  if (end !== data.length)
    throw new DemoError("safetensors/length", `${data.length - end} bytes after the last tensor`);
  const result = { tensors, metadata };
  // Parse, write again, compare: duplicate names, odd white space and odd escapes all end here.
  if (!sameBytes(saveSafetensors(result).subarray(0, 8 + headerLength), bytes.subarray(0, 8 + headerLength))) {
    throw new DemoError("safetensors/canonical", "header is not written as this format is written here");
  }
  return result;
}

type Layout = readonly (readonly [name: string, dtype: "F32" | "U8", shape: number[], begin: number, end: number])[];

function readHeader(bytes: Uint8Array): { tensors: Layout; metadata: Record<string, string> } {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new DemoError("safetensors/header", "not UTF-8 JSON");
  }
  if (!isObject(header)) throw new DemoError("safetensors/header", "not an object");
  const metadata: Record<string, string> = {};
  const tensors: [string, "F32" | "U8", number[], number, number][] = [];
  for (const [name, value] of Object.entries(header).sort(([a], [b]) => byCodeUnits(a, b))) {
    // `{ ["__proto__"]: … }` as a plain assignment would change the prototype instead of adding a tensor.
    if (!isObject(value) || name === "__proto__") throw new DemoError("safetensors/header", JSON.stringify(name));
    if (name === "__metadata__") {
      for (const [key, text] of Object.entries(value)) {
        if (typeof text !== "string" || key === "__proto__")
          throw new DemoError("safetensors/header", `metadata ${key}`);
        metadata[key] = text;
      }
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = value;
    if ((dtype !== "F32" && dtype !== "U8") || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
      throw new DemoError("safetensors/header", `tensor ${JSON.stringify(name)}`);
    }
    tensors.push([name, dtype, shape, offsets[0]!, offsets[1]!]);
  }
  return { tensors, metadata };
}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);
const isSizes = (v: unknown): v is number[] =>
  Array.isArray(v) && v.length <= 8 && v.every((n) => Number.isSafeInteger(n) && (n as number) >= 0);

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

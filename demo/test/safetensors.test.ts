import { describe, expect, it } from "vitest";
import { loadSafetensors, saveSafetensors, type Tensors } from "../src/safetensors.ts";

const sample: Tensors = {
  tensors: {
    b: { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, -0.5, 1e-45, 3.4e38) },
    a: { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 255) },
  },
  metadata: { z: "1", format: "test" },
};
const header =
  '{"__metadata__":{"format":"test","z":"1"},"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"F32","shape":[2,2],"data_offsets":[3,19]}}';

/** A file with any header over any data. */
function file(text: string, data: readonly number[] = []): Uint8Array {
  const json = new TextEncoder().encode(text);
  const out = new Uint8Array(8 + Math.ceil(json.length / 8) * 8 + data.length).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(out.length - 8 - data.length), true);
  out.set(json, 8);
  out.set(data, out.length - data.length);
  return out;
}

describe("safetensors", () => {
  it("writes these bytes", () => {
    const data = [1, 2, 255, 0, 0, 128, 63, 0, 0, 0, 191, 1, 0, 0, 0, 158, 201, 127, 127];
    expect([...saveSafetensors(sample)]).toEqual([...file(header, data)]);
  });

  it("reads back what it writes", () => {
    const { tensors, metadata } = loadSafetensors(saveSafetensors(sample));
    expect(metadata).toEqual(sample.metadata);
    expect(tensors).toEqual(sample.tensors);
    expect(loadSafetensors(saveSafetensors({ tensors: {}, metadata: {} }))).toEqual({ tensors: {}, metadata: {} });
  });

  it("reads from the middle of a buffer", () => {
    const bytes = saveSafetensors(sample);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(loadSafetensors(shifted.subarray(3))).toEqual(loadSafetensors(bytes));
  });

  const one = (member: string): string => `{"a":${member}}`;
  it.each<[string, Uint8Array, string]>([
    ["nothing", new Uint8Array(), "length"],
    ["seven bytes", new Uint8Array(7), "length"],
    ["a header beyond the file", file("{}").subarray(0, 12), "length"],
    ["a header length over 32 bits", Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0), "length"],
    ["no JSON", file("{"), "header"],
    ["bytes that aren't UTF-8", ((f) => (f.set([0xff], 9), f))(file('{"a":1}')), "header"],
    ["a list", file("[]"), "header"],
    ["a tensor that is a number", file('{"a":1}'), "header"],
    [
      "another dtype",
      file(one('{"dtype":"F64","shape":[1],"data_offsets":[0,8]}'), new Array<number>(8).fill(0)),
      "header",
    ],
    ["a negative size", file(one('{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}'), [0]), "header"],
    ["sizes that overflow", file(one('{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}')), "shape"],
    ["a hole", file(one('{"dtype":"U8","shape":[1],"data_offsets":[1,2]}'), [0, 0]), "shape"],
    ["too little data", file(one('{"dtype":"U8","shape":[2],"data_offsets":[0,2]}'), [0]), "shape"],
    ["offsets that don't fit the shape", file(one('{"dtype":"U8","shape":[1],"data_offsets":[0,2]}'), [0, 0]), "shape"],
    ["bytes after the end", file("{}", [0]), "length"],
    ["NaN", file(one('{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'), [0, 0, 192, 127]), "not-finite"],
    ["infinity", file(one('{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'), [0, 0, 128, 127]), "not-finite"],
    ["metadata that isn't text", file('{"__metadata__":{"a":1}}'), "header"],
    ["a name twice", file('{"__metadata__":{"a":"1","a":"1"}}'), "canonical"],
    ["white space", file('{ "__metadata__":{"a":"1"}}'), "canonical"],
    ["an unknown member", file(one('{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}'), [0]), "canonical"],
    ["names out of order", file('{"__metadata__":{"b":"","a":""}}'), "canonical"],
    ["a prototype", file('{"__proto__":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "header"],
  ])("refuses %s", (_, bytes, code) => {
    expect(() => loadSafetensors(bytes)).toThrow(`safetensors/${code}`);
  });

  it("does not write what it would refuse", () => {
    const tensor = (shape: number[], ...data: number[]): Tensors => ({
      tensors: { a: { dtype: "F32", shape, data: Float32Array.from(data) } },
      metadata: {},
    });
    expect(() => saveSafetensors(tensor([2], 1))).toThrow("safetensors/shape");
    expect(() => saveSafetensors(tensor([1], NaN))).toThrow("safetensors/not-finite");
  });
});

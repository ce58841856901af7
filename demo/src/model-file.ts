import { DemoError } from "./errors.ts";
import { emptyModel, type Model, type Shape } from "./model.ts";
import { loadSafetensors, saveSafetensors, type Tensor } from "./safetensors.ts";
import { makeTokenizer, type Tokenizer } from "./tokenizer.ts";
import { checkConfig, configText, type TrainConfig } from "./train-config.ts";

/** One file is the whole model: weights, vocabulary, and the config and step it came from. */
export type TrainedModel = {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly config: TrainConfig;
  readonly step: number;
};

const FORMAT = "spur-demo-model/v1";

export function shapeOf(config: TrainConfig, tokenizer: Tokenizer): Shape {
  const { context, hidden, order, directWeights } = config;
  return { vocabulary: tokenizer.texts.length, context, hidden, order, direct: directWeights };
}

/** Deterministic safetensors bytes. @throws DemoError `safetensors/not-finite` */
export function encodeModel({ model, tokenizer, config, step }: TrainedModel): Uint8Array {
  const { characters, merges } = tokenizer;
  const vocabulary = new TextEncoder().encode(JSON.stringify({ characters, merges }));
  return saveSafetensors({
    tensors: { ...tensorsOf(model), vocabulary: { dtype: "U8", shape: [vocabulary.length], data: vocabulary } },
    metadata: { config: configText(config), format: FORMAT, step: String(step) },
  });
}

/** @throws DemoError `model/invalid`, `tokenizer/invalid`, `train/config` or one of `safetensors/…` */
export function decodeModel(bytes: Uint8Array): TrainedModel {
  const { tensors, metadata } = loadSafetensors(bytes);
  const refuse = (detail: string): never => {
    throw new DemoError("model/invalid", detail);
  };
  if (metadata["format"] !== FORMAT) refuse("not a model of the demo");
  const config = checkConfig(parse(metadata["config"]));
  const step = Number(metadata["step"]);
  if (!Number.isSafeInteger(step) || step < 0) refuse("step");
  const vocabulary = tensors["vocabulary"];
  if (vocabulary?.dtype !== "U8") return refuse("no vocabulary");
  const tokenizer = tokenizerFrom(parse(new TextDecoder().decode(vocabulary.data)));
  if (tokenizer.texts.length > config.vocabulary) refuse("vocabulary larger than its config");
  const model = emptyModelLike(shapeOf(config, tokenizer), tensors);
  for (const [name, { shape, data }] of Object.entries(tensorsOf(model))) {
    const given = tensors[name];
    if (given?.dtype !== "F32" || given.shape.join() !== shape.join()) refuse(`tensor ${name}`);
    else (data as Float32Array).set(given.data);
  }
  const result = { model, tokenizer, config, step };
  // Written again it must be the same file: no tensor, member or spelling that this reader would pass over in silence.
  const again = encodeModel(result);
  if (again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i])) refuse("not in its one spelling");
  return result;
}

/** Sizes come from a file: memory is taken only for as many weights as the file really holds. */
function emptyModelLike(shape: Shape, tensors: Readonly<Record<string, Tensor>>): Model {
  const claimed = shape.context * shape.vocabulary * shape.hidden;
  if (tensors["input"]?.data.length !== claimed || tensors["direct"]?.data.length !== shape.direct) {
    throw new DemoError("model/invalid", "sizes of config and tensors differ");
  }
  return emptyModel(shape);
}

function tensorsOf({ shape, classes, input, output, direct }: Model): Record<string, Tensor> {
  const { context, vocabulary, hidden } = shape;
  return {
    direct: { dtype: "F32", shape: [shape.direct], data: direct },
    input: { dtype: "F32", shape: [context, vocabulary, hidden], data: input },
    output: { dtype: "F32", shape: [classes + vocabulary, hidden], data: output },
  };
}

function tokenizerFrom(value: unknown): Tokenizer {
  const { characters, merges } = (value ?? {}) as { characters?: unknown; merges?: unknown };
  const isPair = (m: unknown): m is [number, number] =>
    Array.isArray(m) && m.length === 2 && m.every((n) => Number.isSafeInteger(n));
  const isCharacter = (c: unknown): c is string => typeof c === "string";
  if (!Array.isArray(characters) || !Array.isArray(merges) || !characters.every(isCharacter) || !merges.every(isPair)) {
    throw new DemoError("tokenizer/invalid", "not characters and merges");
  }
  return makeTokenizer(characters, merges);
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    throw new DemoError("model/invalid", "not JSON");
  }
}

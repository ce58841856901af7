import { integer, object, oneOf, reference } from "../schema.ts";
import type { Predicate } from "../predicate.ts";

/** A model as it is served; `sha256` of the subject is that of the model file. */
export const model: Predicate = {
  type: "spur:model/v1",
  register: "models",
  slots: ["name", "card", "licence"],
  digests: ["sha256"],
  shape: object({
    "run?": reference,
    "checkpoint?": reference,
    format: oneOf("safetensors", "gguf", "onnx", "directory", "other"),
    bytes: integer(),
  }),
  targets: { run: ["spur:training-run/v1"], checkpoint: ["spur:checkpoint/v1"] },
};

import { join } from "node:path";
import { SpurError } from "./errors.ts";
import { readIfThere, writeDurable } from "./files.ts";
import { createKeys, readKeys, type WitnessKey } from "./key.ts";

/**
 * What the keys folder remembers of the data folder: which one it is, and how many changes it had. A witness that comes back from an older
 * copy of its data would sign a second history where it had signed a first; the key, which lies elsewhere, knows better.
 */
interface Memory {
  readonly instance: string;
  readonly commits: number;
}

const FILE = "seen";

export function writeMemory(folder: string, { instance, commits }: Memory): void {
  writeDurable(join(folder, FILE), `spur-witness-seen/v1 ${instance} ${commits}\n`, 0o600);
}

function readMemory(folder: string): Memory | undefined {
  const path = join(folder, FILE);
  const text = readIfThere(path)?.toString("utf8");
  if (text === undefined) return undefined;
  const [, instance, commits] = /^spur-witness-seen\/v1 ([0-9a-f]{32}) ([0-9]{1,16})\n$/.exec(text) ?? [];
  if (instance === undefined || commits === undefined) {
    throw new SpurError("keys/damaged", `${path} is damaged`, {
      status: 503,
      hint: "Restore it. Nothing was changed.",
    });
  }
  return { instance, commits: Number(commits) };
}

/**
 * The keys of the witness whose data is described by `data`, Ed25519 first, made at the first start. Nothing is written unless all fits. Throws
 * `keys/missing`, `keys/damaged`, `keys/exposed`, `data/not-a-pair`, `witness/rolled-back`, `witness/other-name`, `witness/name`.
 */
export function openKeys(
  folder: string,
  data: Memory,
  name: string | undefined,
  newName: () => string,
): readonly WitnessKey[] {
  const keys = readKeys(folder);
  const [key] = keys;
  const seen = readMemory(folder);
  if (seen !== undefined && seen.instance !== data.instance) {
    throw new SpurError("data/not-a-pair", `the keys in ${folder} are those of a witness with another data folder`, {
      status: 503,
      hint: "Name the data folder that they were made with (--data); a new witness needs a keys folder of its own (--keys).",
    });
  }
  if (seen !== undefined && seen.commits > data.commits) {
    throw new SpurError(
      "witness/rolled-back",
      `the data folder has ${data.commits} changes; the keys folder has seen ${seen.commits}`,
      {
        status: 503,
        hint: "This is an older copy: put the newest one back. Without it, begin a new witness with a new key: this one could sign two histories. Nothing was signed.",
      },
    );
  }
  if (key === undefined) {
    if (data.commits > 0) {
      throw new SpurError("keys/missing", `the witness has cosigned, and its key is not in ${folder}`, {
        status: 503,
        hint: "Name the keys folder that was made with this data folder (--keys). Nothing was changed.",
      });
    }
    // The memory first: after a crash between the two there is no key, and nothing can have been signed.
    writeMemory(folder, data);
    return createKeys(folder, name ?? newName());
  }
  if (seen === undefined) {
    throw new SpurError("keys/missing", `the file ${FILE} is missing beside the key in ${folder}`, {
      status: 503,
      hint: "Put it back: without it nobody can tell whether the data folder is the newest. Nothing was signed.",
    });
  }
  if (name !== undefined && name !== key.name) {
    throw new SpurError("witness/other-name", `this witness is ${key.name}; its name is part of its key`, {
      hint: "Leave --name out, or begin another witness with folders of its own.",
    });
  }
  return keys;
}

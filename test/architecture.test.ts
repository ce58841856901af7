// The table of allowed imports. Change it in the same commit as the reason; ARCHITECTURE.md holds the map it guards.
import { existsSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { environmentReads, importsOf, parse, root, sourcesOf, type Import, type Source } from "./imports.ts";

/** Rooms of the ledger. They don't know one another: they meet in the files that stand above them (`record.ts`, `main.ts` …) and in `api/`. */
const ROOMS = ["log", "vault", "witness", "adapters", "gateway", "models", "artifacts", "chain", "projections"];
/** What every room may import: no behaviour of another room hides in these. */
const SHARED = ["errors", "config", "draft"];
/** Of storage, a room takes types, and this: writing a file so that it survives a crash, as `node:fs` should have it. */
const PRIMITIVES = ["packages/ledger/src/storage/durable-file"];

/** Commands of the CLI that start or repair a ledger on this machine. They load it only when they run. */
const LOADS_LEDGER = /^packages\/cli\/src\/(.*\/)?(up|demo|backup|recover|custody|audit|key-retire)(-[a-z-]+)?\.ts$/;

/** Commands that serve or train the demo model. */
const LOADS_DEMO = /^packages\/cli\/src\/(.*\/)?(up|demo|replay)(-[a-z-]+)?\.ts$/;

/** Commands of the CLI that run a witness on this machine; they load it only when they run. */
const LOADS_WITNESS = /^packages\/cli\/src\/commands\/witness(-[a-z-]+)?\.ts$/;

/** What a witness takes of Node. It opens no connection and starts no process. */
const WITNESS_NODE = /^node:(crypto|fs|fs\/promises|http|net|path|sqlite|util|zlib)$/;

/** Where a module's name is worked out at run time: the CLI's launcher, and its loader, whose callers are held to the table by name. */
const COMPUTED = /^packages\/(cli\/(bin\/spur\.js|src\/optional\.ts)|ledger\/src\/api\/routes-pages\.ts)$/;

/** Which files read `process.env`. All others get what they need as an argument. */
const READS_ENVIRONMENT = [/^packages\/ledger\/src\/main\.ts$/, /^packages\/cli\//];

interface Row {
  /** Which sources the row is about. */
  readonly from: RegExp;
  /** True if the import may stand there; `to` is a path from the root without extension, or the specifier of a foreign package. */
  readonly allows: (to: string, imported: Import) => boolean;
  readonly says: string;
}

const inside = (folder: string) => (to: string) => to.startsWith(`${folder}/`);
const verifier = inside("packages/verifier/src");
const foreign = (to: string): boolean => !/^(packages|demo|contracts|bench|test|scripts|vectors)\//.test(to);
const ledgerPart = (to: string): string => /^packages\/ledger\/src\/([^/]+)/.exec(to)?.[1] ?? "";

const TABLE: readonly Row[] = [
  {
    from: /^packages\/verifier\/src\//,
    allows: (to) => verifier(to) || to.startsWith("@noble/"),
    says: "the verifier imports only itself and @noble: no Node, no DOM, nothing of ours",
  },
  ...ROOMS.map((room): Row => ({
    from: new RegExp(`^packages/ledger/src/${room}/`),
    allows: (to, { kind }) =>
      foreign(to) ||
      verifier(to) ||
      [room, ...SHARED].includes(ledgerPart(to)) ||
      PRIMITIVES.includes(to) ||
      (kind === "type" && ledgerPart(to) === "storage"),
    says:
      `room ${room} imports itself, ${SHARED.join(", ")}, the verifier, and of storage types only: ` +
      "rooms meet in record.ts, main.ts and api/, and are handed their store",
  })),
  {
    from: /^packages\/ledger\/src\/storage\//,
    allows: (to, { kind }) =>
      foreign(to) ||
      verifier(to) ||
      ["storage", ...SHARED].includes(ledgerPart(to)) ||
      (kind === "type" && ROOMS.includes(ledgerPart(to))),
    says: "storage implements what rooms declare: of a room it imports types only",
  },
  {
    from: new RegExp(`^packages/ledger/src/(${SHARED.join("|")})\\.ts$`),
    allows: (to) => foreign(to) || verifier(to) || SHARED.includes(ledgerPart(to)),
    says: `${SHARED.join(", ")} import no room, no storage, no api`,
  },
  {
    from: /^packages\/ledger\/src\/(api\/|core\/|[^/]+\.ts$)/,
    allows: (to) => foreign(to) || verifier(to) || inside("packages/ledger/src")(to),
    says: "the ledger imports itself and the verifier, neither cli nor web nor demo",
  },
  {
    from: /^packages\/witness\/src\//,
    allows: (to) => verifier(to) || inside("packages/witness/src")(to) || WITNESS_NODE.test(to),
    says: "the witness imports itself, the verifier, and of Node what keeps files and answers HTTP: whoever runs one installs no ledger",
  },
  {
    from: /^packages\/cli\//,
    allows: (to, { file, kind }) =>
      foreign(to) ||
      verifier(to) ||
      inside("packages/cli")(to) ||
      (kind === "type" && inside("packages/ledger/src/api")(to)) ||
      (LOADS_LEDGER.test(file) && kind !== "static" && inside("packages/ledger/src")(to)) ||
      (LOADS_DEMO.test(file) && kind !== "static" && inside("demo/src")(to)) ||
      (LOADS_WITNESS.test(file) && kind !== "static" && inside("packages/witness/src")(to)),
    says: "the CLI imports the verifier and types of ledger/api; up, demo, backup, recover, custody and key retire load the ledger, up, demo and replay the demo model, and witness the witness, by import()",
  },
  {
    from: /^packages\/web\//,
    allows: (to, { kind }) =>
      foreign(to) ||
      verifier(to) ||
      inside("packages/web")(to) ||
      (kind === "type" && inside("packages/ledger/src/api")(to)),
    says: "the pages import the verifier and types of ledger/api",
  },
  {
    from: /^demo\/src\/(up|story)\.ts$/,
    allows: (to) => foreign(to) || verifier(to) || inside("demo")(to) || to === "packages/ledger/src/main",
    says: "up and story start a ledger; what they record goes over HTTP",
  },
  {
    from: /^demo\/src\/story\/spur\.ts$/,
    allows: (to) => foreign(to) || to === "packages/cli/bin/spur",
    says: "it starts the command line as a process",
  },
  {
    from: /^demo\//,
    allows: (to) => foreign(to) || verifier(to) || inside("demo")(to),
    says: "the demo model knows the ledger only through its HTTP surfaces",
  },
];

const WORKSPACES: Record<string, string> = {
  "@spur/verifier": "packages/verifier",
  "@spur/ledger": "packages/ledger",
  "@spur/witness": "packages/witness",
  "@spur/cli": "packages/cli",
  "@spur/web": "packages/web",
  "@spur/demo": "demo",
};

/** Where an import leads: a path from the root without extension for what is ours, the specifier for all else. */
function target({ file, specifier }: Import): string {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(file), specifier).replace(/\.(ts|js)$/, "");
  const [scope, name, ...rest] = specifier.split("/");
  const folder = WORKSPACES[`${scope}/${name}`];
  return folder === undefined ? specifier : `${folder}/src/${rest.join("/")}`;
}

/** What is wrong with the imports of one source, one readable line each. */
function complaints(source: Source): string[] {
  const row = TABLE.find(({ from }) => from.test(source.file));
  if (row === undefined)
    return [`${source.file} stands in no row of the table: say in test/architecture.test.ts what it may import`];
  return importsOf(source)
    .filter((imported) => (imported.literal ? !row.allows(target(imported), imported) : !COMPUTED.test(source.file)))
    .map(({ file, line, kind, specifier }) => `${file}:${line} imports ${specifier} (${kind}), but ${row.says}`);
}

const CODE = [
  "packages/verifier/src",
  "packages/ledger/src",
  "packages/witness/src",
  "packages/cli/src",
  "packages/cli/bin",
  "packages/web/src",
  "demo/src",
];
const sources = CODE.flatMap(sourcesOf);

describe("imports", () => {
  it.each(CODE)("there are sources in %s", (folder) => {
    expect(sources.some(({ file }) => file.startsWith(`${folder}/`))).toBe(true);
  });

  it("keep to the table", () => {
    expect(sources.flatMap(complaints).join("\n")).toBe("");
  });

  it("lead to a file that is there", () => {
    const missing = sources
      .flatMap(importsOf)
      .map((imported) => ({ imported, to: target(imported) }))
      .filter(({ to }) => !foreign(to) && !to.includes("/dist/"))
      .filter(({ to }) => ![".ts", ".js", ""].some((ending) => existsSync(join(root, to + ending))))
      .map(({ imported }) => `${imported.file}:${imported.line} imports ${imported.specifier}, which is not there`);
    expect(missing.join("\n")).toBe("");
  });

  it("of foreign packages are declared, with an exact version, by the workspace that uses them", () => {
    const undeclared = sources.flatMap((source) => {
      const folder = /^(packages\/[^/]+|demo)\//.exec(source.file)?.[1] ?? "";
      const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
      const declared: Record<string, string> = { ...manifest.dependencies, ...manifest.devDependencies };
      return importsOf(source)
        .filter(({ literal, specifier }) => literal && !specifier.startsWith(".") && !specifier.startsWith("node:"))
        .flatMap(({ file, line, kind, specifier }) => {
          const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
          const here = `${file}:${line} imports ${specifier}`;
          if (builtinModules.includes(name)) return [`${here}: write node:${name}`];
          if (name in WORKSPACES && (kind !== "static" || name === manifest.name)) return [];
          if (declared[name] === undefined) return [`${here}, which ${folder}/package.json doesn't name`];
          return /^\d+\.\d+\.\d+$/.test(declared[name])
            ? []
            : [`${folder}/package.json: ${name} is not pinned exactly`];
        });
    });
    expect([...new Set(undeclared)].join("\n")).toBe("");
  });
});

describe("environment", () => {
  it("is read by ledger/main.ts and the CLI only", () => {
    const reads = sources
      .filter(({ file }) => !READS_ENVIRONMENT.some((allowed) => allowed.test(file)))
      .flatMap((source) =>
        environmentReads(source).map((line) => `${source.file}:${line} reads process.env: take it as an argument`),
      );
    expect(reads.join("\n")).toBe("");
  });
});

// A guard that can't bark guards nothing: each line here must be refused (or allowed) by the table above.
describe("the table itself", () => {
  it.each([
    ["packages/verifier/src/a.ts", 'import { readFileSync } from "node:fs";'],
    ["packages/verifier/src/a.ts", 'import type { Draft } from "@spur/ledger/draft";'],
    ["packages/verifier/src/tlog/a.ts", 'export * from "../../../ledger/src/errors.ts";'],
    ["packages/ledger/src/log/a.ts", 'import { seal } from "../vault/seal.ts";'],
    ["packages/ledger/src/log/a.ts", 'import type { Sealed } from "../vault/seal.ts";'],
    ["packages/ledger/src/log/a.ts", 'import { seal } from "@spur/ledger/vault/seal";'],
    ["packages/ledger/src/log/a.ts", 'new Worker(new URL("../vault/worker.ts", import.meta.url));'],
    ["packages/ledger/src/log/a.ts", 'import { sqliteLogStore } from "../storage/log-store.ts";'],
    ["packages/ledger/src/vault/a.ts", 'import { openDatabase } from "../storage/database.ts";'],
    ["packages/ledger/src/storage/a.ts", 'import { plan } from "../log/plan.ts";'],
    ["packages/ledger/src/storage/a.ts", 'import { type LogStore } from "../log/store.ts";'],
    ["packages/ledger/src/errors.ts", 'import { record } from "./record.ts";'],
    ["packages/ledger/src/record.ts", 'import { run } from "@spur/cli/main";'],
    ["packages/ledger/src/new-room/a.ts", ""],
    ["packages/ledger/src/log/a.ts", 'import { record } from "../record.ts";'],
    ["packages/cli/src/commands/verify.ts", 'const { startLedger } = await import("@spur/ledger/main");'],
    ["packages/cli/src/commands/up.ts", 'import { startLedger } from "@spur/ledger/main";'],
    ["packages/cli/src/commands/trace.ts", 'import { routes } from "@spur/ledger/api/routes";'],
    ["packages/cli/src/commands/trace.ts", 'import type { LogStore } from "@spur/ledger/log/store";'],
    ["packages/cli/src/commands/ask.ts", 'await loadOptional("@spur/ledger/main", "ask");'],
    ["packages/web/src/a.ts", 'import { run } from "@spur/cli/main";'],
    ["packages/witness/src/a.ts", 'import { SpurError } from "@spur/ledger/errors";'],
    ["packages/witness/src/a.ts", 'import { spawn } from "node:child_process";'],
    ["packages/cli/src/commands/witness.ts", 'import { startWitness } from "@spur/witness/serve";'],
    ["packages/cli/src/commands/trace.ts", 'await import("@spur/witness/serve");'],
    ["demo/src/a.ts", 'import { startLedger } from "@spur/ledger/main";'],
    ["packages/verifier/src/a.ts", "const later = await import(name);"],
  ])("refuses in %s: %s", (file, text) => {
    expect(complaints(parse(file, text))).toHaveLength(1);
  });

  it.each([
    [
      "packages/verifier/src/tlog/a.ts",
      'import { sha256 } from "@noble/hashes/sha2.js"; import { hex } from "../bytes.ts";',
    ],
    [
      "packages/ledger/src/log/a.ts",
      'import { SpurError } from "../errors.ts"; import { root } from "@spur/verifier/tlog/merkle";',
    ],
    [
      "packages/ledger/src/log/a.ts",
      '// import { seal } from "../vault/seal.ts";\nconst s = \'import "../vault/seal.ts"\';',
    ],
    ["packages/ledger/src/storage/a.ts", 'import type { LogStore } from "../log/store.ts";'],
    ["packages/ledger/src/log/a.ts", 'import type { LogStore } from "../storage/log-store.ts";'],
    ["packages/ledger/src/vault/a.ts", 'import { writeDurable } from "../storage/durable-file.ts";'],
    ["packages/ledger/src/api/a.ts", 'import { seal } from "../vault/seal.ts";'],
    ["packages/cli/src/commands/up.ts", 'const { startLedger } = await import("@spur/ledger/main");'],
    [
      "packages/cli/src/commands/up.ts",
      'await loadOptional<typeof import("@spur/ledger/main")>("@spur/ledger/main", "up");',
    ],
    ["packages/cli/src/commands/trace.ts", 'import type { Trace } from "@spur/ledger/api/wire";'],
    ["packages/cli/src/commands/witness.ts", 'await import("@spur/witness/serve");'],
    [
      "packages/witness/src/a.ts",
      'import { DatabaseSync } from "node:sqlite"; import { utf8 } from "@spur/verifier/bytes";',
    ],
  ])("allows in %s: %s", (file, text) => {
    expect(complaints(parse(file, text))).toEqual([]);
  });

  it.each([
    "process.env.X",
    'process["env"]',
    "const { env } = process;",
    'import { env } from "node:process";',
    "globalThis.process.env",
  ])("sees the environment read by %s", (text) => {
    expect(environmentReads(parse("packages/ledger/src/log/a.ts", text))).toEqual([1]);
  });
});

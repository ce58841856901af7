import type { Command } from "commander";
import { toHex } from "@spur/verifier/bytes";
import { sha256 } from "@spur/verifier/hash";
import { formatVkey, parseVkey, type VerifierKey } from "@spur/verifier/note/note";
import type { Trust } from "@spur/verifier/trust/trust";
import { baseUrl, headOf, openClient } from "../client.ts";
import { withExamples, withJson, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { confirms } from "../io.ts";
import { cleanLine, DEFAULT_URL, print, printJson, typed } from "../text.ts";
import {
  isVkey,
  loadOwnTrust,
  saveOwnTrust,
  trustFile,
  withKeys,
  withoutKeys,
  type AddedKeys,
} from "../trust-store.ts";

const EXAMPLE_KEY = "example.com/log+486ce6f4+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

export function addTrust(program: Command, context: Context): void {
  const { io } = context;
  const trust = program
    .command("trust")
    .summary("whose signature you believe")
    .description(
      "The keys that you believe. A file that is verified never adds to them: what it says of keys is a hint.",
    );
  withExamples(
    trust,
    typed("trust", "add", "http://127.0.0.1:7787"),
    typed("trust", "list"),
    typed("trust", "remove", "example.com/log"),
  );

  const add = trust
    .command("add")
    .description(
      "Adds a log's key: as you were given it, or as the log says at its address. The latter is shown, and you are asked, as ssh does.",
    )
    .argument("<url|key>", "address of a ledger, or a key like name+id+base64")
    .option("--yes", "do not ask")
    .option("--timeout <seconds>", "how long the ledger may take to answer (default: 30)");
  withExamples(withJson(add), typed("trust", "add", "http://127.0.0.1:7787"), typed("trust", "add", EXAMPLE_KEY));
  add.action(async (what: string, options: { yes?: true; json?: true; timeout?: string }) => {
    const added = isVkey(what) ? typedKey(what) : await askedKeys(context, what, options);
    const file = await saveOwnTrust(io, withKeys(await loadOwnTrust(io), added));
    if (options.json)
      printJson(io, {
        file,
        added: [formatVkey(added.log)],
      });
    else print(io, `You trust ${cleanLine(added.log.name)} from now on (${file}).`);
    context.finish(0);
  });

  const all = trust.command("list").description("Lists the keys you trust.");
  withExamples(withJson(all), typed("trust", "list"));
  all.action(async (options: { json?: true }) => {
    const own = await loadOwnTrust(io);
    if (options.json)
      printJson(io, { file: trustFile(io), keys: keysOf(own).map((one) => ({ ...one, key: formatVkey(one.key) })) });
    else {
      for (const { use, key, url } of keysOf(own))
        print(io, `${use.padEnd(8)} ${cleanLine(formatVkey(key))}${url === undefined ? "" : `  ${cleanLine(url)}`}`);
      if (keysOf(own).length === 0)
        print(io, "You trust nobody yet. To begin:", `  ${typed("trust", "add", DEFAULT_URL)}`);
    }
    context.finish(0);
  });

  const remove = trust
    .command("remove")
    .description("Removes a log's keys.")
    .argument("<name|key>", "the log's name (origin), or one key");
  withExamples(withJson(remove), typed("trust", "remove", "example.com/log"));
  remove.action(async (name: string, options: { json?: true }) => {
    const { trust: left, removed } = withoutKeys(await loadOwnTrust(io), name);
    if (removed === 0) throw new CliError("cli/trust", `you trust no key of ${name}`, { hint: typed("trust", "list") });
    const file = await saveOwnTrust(io, left);
    if (options.json) printJson(io, { file, removed });
    else print(io, `${removed === 1 ? "One key" : `${removed} keys`} of ${cleanLine(name)} removed.`);
    context.finish(0);
  });

  const show = trust
    .command("show")
    .description(
      "Shows one key with its fingerprint, to be compared with what others see; without a name, the whole trust file.",
    )
    .argument("[name]", "the log's name (origin)");
  withExamples(withJson(show), typed("trust", "show", "example.com/log"));
  show.action(async (name: string | undefined, options: { json?: true }) => {
    const own = await loadOwnTrust(io);
    const found = keysOf(own).filter(
      ({ key }) => name === undefined || key.name === name || key.name === `${name}/receipts`,
    );
    if (name !== undefined && found.length === 0)
      throw new CliError("cli/trust", `you trust no key of ${name}`, { hint: typed("trust", "list") });
    if (options.json)
      printJson(
        io,
        found.map(({ use, key }) => ({ use, key: formatVkey(key), fingerprint: fingerprint(key) })),
      );
    else {
      for (const { use, key } of found) print(io, ...keyLines(use, key));
      if (name === undefined) print(io, `File: ${trustFile(io)}`, "", own.policy.text.trimEnd());
    }
    context.finish(0);
  });
}

function keysOf(trust: Trust): readonly { use: string; key: VerifierKey; url?: string }[] {
  return [
    ...trust.policy.logs.map((log) => ({ use: "log", ...log })),
    ...[...trust.policy.witnesses.values()].map((witness) => ({ use: "witness", ...witness })),
    ...trust.statementKeys.map((key) => ({ use: key.name.endsWith("/receipts") ? "receipts" : "signer", key })),
  ];
}

/** Typing a key is saying that one trusts it. */
function typedKey(vkey: string): AddedKeys {
  const key = parseVkey(vkey);
  if (key.name.endsWith("/receipts")) {
    throw new CliError("cli/trust", "this is a receipts key", {
      hint: "add the log's own key: its receipts key is announced in the log",
    });
  }
  return { log: key };
}

/** What the ledger says of itself, shown and confirmed. */
async function askedKeys(
  context: Context,
  what: string,
  options: { yes?: true; json?: true; timeout?: string },
): Promise<AddedKeys> {
  const { io } = context;
  if (!/^https?:\/\//.test(what)) {
    throw new CliError("cli/trust", `${JSON.stringify(what)} is neither an address nor a whole key`, {
      hint: `like http://127.0.0.1:7787, or ${EXAMPLE_KEY}`,
    });
  }
  const url = baseUrl(what);
  const head = await headOf(
    openClient(io, { url, ...(options.timeout === undefined ? {} : { timeout: options.timeout }) }),
  );
  // Its receipts key is not taken from here: nobody was shown it. The log announces it, under the key that is shown.
  const log = parseVkey(head.vkey);
  if (log.name !== head.origin) {
    throw new CliError("trust/name", `the ledger calls itself ${head.origin} and shows a key of ${log.name}`, {
      hint: "do not trust it",
    });
  }
  const added = { log, url };
  withKeys(await loadOwnTrust(io), added); // a changed key is refused before anybody is asked to accept it
  if (!options.yes) {
    if (io.ask === undefined) {
      throw new CliError("cli/confirm", "nobody is here to be asked whether this key is right", {
        hint: "compare it yourself, then say --yes",
      });
    }
    io.stderr.write(`${url} says of itself:\n`);
    for (const line of keyLines("log", log)) io.stderr.write(`  ${line}\n`);
    io.stderr.write(
      "Compare it with what its operator told you another way: who holds this key decides what you will see as verified.\n",
    );
    if (!(await confirms(io.ask, "Trust it?")))
      throw new CliError("cli/confirm", "nothing was added", { hint: "you said no" });
  } else if (!options.json) {
    print(io, ...keyLines("log", log));
  }
  return added;
}

function keyLines(use: string, key: VerifierKey): string[] {
  return [
    `${use.padEnd(11)} ${cleanLine(key.name)}`,
    `key         ${cleanLine(formatVkey(key))}`,
    `fingerprint ${fingerprint(key)}`,
  ];
}

/** SHA-256 of the public key, in groups that can be read over the telephone. */
function fingerprint(key: VerifierKey): string {
  return (toHex(sha256(key.publicKey)).match(/.{8}/g) ?? []).join(" ");
}

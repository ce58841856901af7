import type { Command } from "commander";
import { openClient, type ServerOptions } from "../client.ts";
import { withExamples, withJson, withServer, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { list, maybeText, text } from "../json.ts";
import { cleanLine, print, printJson, typed } from "../text.ts";
import { addRetire } from "./key-retire.ts";

const SCOPES = ["write", "open", "remove", "admin"];

type Options = ServerOptions & { readonly json?: true };

export function addKey(program: Command, context: Context): void {
  const { io } = context;
  const key = program
    .command("key")
    .summary("access keys of a ledger; and taking back the keys with which it signs")
    .description(
      "Access keys of a ledger; these need a key with scope admin. And `retire`, for the keys with which the ledger itself signs.",
    );
  withExamples(
    key,
    typed("key", "create", "--label", "my app", "--scope", "write"),
    typed("key", "list"),
    typed("key", "revoke", "k_1234"),
    typed("key", "retire", "receipts"),
  );

  const create = key
    .command("create")
    .description("Makes a key and shows it once; the ledger keeps only its hash.")
    .option("--scope <scopes...>", `${SCOPES.join(", ")}; several may be named`, ["write"])
    .option("--label <text>", "what it is for");
  withExamples(
    withJson(withServer(create)),
    typed("key", "create", "--scope", "write", "open", "--label", "review desk"),
  );
  create.action(async (options: Options & { scope: readonly string[]; label?: string }) => {
    const scopes = [...new Set(options.scope.flatMap((one) => one.split(",")))];
    const wrong = scopes.find((scope) => !SCOPES.includes(scope));
    if (wrong !== undefined)
      throw new CliError("cli/option", `--scope ${wrong}`, { hint: `one of ${SCOPES.join(", ")}` });
    const client = openClient(io, options);
    const { answer } = await client.post("/spur/v1/keys", {
      scopes,
      ...(options.label === undefined ? {} : { label: options.label }),
    });
    if (options.json) printJson(io, answer);
    else {
      print(io, cleanLine(text(answer, "key")), "");
      print(io, `Shown this once. It may ${scopes.join(", ")}. To take it back:`);
      print(io, `  ${typed("key", "revoke", text(answer, "id"), ...client.words)}`);
    }
    context.finish(0);
  });

  const all = key
    .command("list")
    .description("Lists the keys: what they are for and what they may, never the keys themselves.");
  withExamples(withJson(withServer(all)), typed("key", "list", "--json"));
  all.action(async (options: Options) => {
    const client = openClient(io, options);
    const answer = await client.getAny("/spur/v1/keys");
    if (options.json) printJson(io, answer);
    else {
      const keys = list(Array.isArray(answer) ? { keys: answer } : (answer as { keys?: unknown }), "keys");
      for (const one of keys) {
        const scopes = Array.isArray(one["scopes"]) ? one["scopes"].join(" ") : text(one, "scopes");
        const state = typeof one["revokedMs"] === "number" ? "revoked" : "";
        print(io, [text(one, "id"), scopes, maybeText(one, "label") ?? "", state].map(cleanLine).join("  ").trimEnd());
      }
      if (keys.length === 0) print(io, "No keys.");
    }
    context.finish(0);
  });

  const revoke = key
    .command("revoke")
    .description("Takes a key back at once.")
    .argument("<id>", "as `key list` shows it");
  withExamples(withJson(withServer(revoke)), typed("key", "revoke", "k_1234"));
  revoke.action(async (id: string, options: Options) => {
    await openClient(io, options).del(`/spur/v1/keys/${encodeURIComponent(id)}`);
    if (options.json) printJson(io, { id, revoked: true });
    else print(io, `${cleanLine(id)} is revoked.`);
    context.finish(0);
  });
  addRetire(key, context);
}

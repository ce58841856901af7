import { CliError } from "./errors.ts";

export const LEDGER_NODE = "24.12";

/**
 * Loads what only an operator has installed. The name is a value, not a literal, so that this package builds and runs without it.
 * Throws `cli/old-node` and `cli/not-installed`.
 */
export async function loadOptional<T>(specifier: string, command: string, node = process.versions.node): Promise<T> {
  const [scope = "", name = ""] = specifier.split("/");
  const [major = 0, minor = 0] = node.split(".").map(Number);
  if (major < 24 || (major === 24 && minor < 12)) {
    throw new CliError("cli/old-node", `\`spur ${command}\` needs Node ${LEDGER_NODE} or newer; this is ${node}`, {
      hint: `clone Spur's repository and run \`npm ci\` there: it brings the right Node and ${scope}/${name} along`,
    });
  }
  try {
    return (await import(specifier)) as T;
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    // This very package, not one that it imports in turn: that would be a broken installation, and no advice to install it.
    const missing = code === "ERR_MODULE_NOT_FOUND" && (cause as Error).message.includes(`'${scope}/${name}`);
    if (!missing) throw cause;
    throw new CliError(
      "cli/not-installed",
      `\`spur ${command}\` needs the package ${scope}/${name}, which is not installed here`,
      {
        hint: "it is part of Spur's repository: clone that, run `npm ci`, and type the command there. `verify`, `trust` and `audit` work without it",
        cause,
      },
    );
  }
}

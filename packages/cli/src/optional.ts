import { CliError } from "./errors.ts";

export const LEDGER_NODE = "24.12";

/**
 * Loads what only an operator has installed. The name is a value, not a literal, so that this package builds and runs without it.
 * Throws `cli/old-node` and `cli/not-installed`.
 */
export async function loadOptional<T>(specifier: string, command: string): Promise<T> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 24 || (major === 24 && minor < 12)) {
    throw new CliError(
      "cli/old-node",
      `\`spur ${command}\` needs Node ${LEDGER_NODE} or newer; this is ${process.versions.node}`,
      {
        hint: "install Node 24, or run `npm ci` in Spur's repository: it brings one along",
      },
    );
  }
  const [scope = "", name = ""] = specifier.split("/");
  try {
    return (await import(specifier)) as T;
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    // Not found: this very module, not one that it imports in turn (that would be a broken installation).
    const missing = code === "ERR_MODULE_NOT_FOUND" || code === "ERR_PACKAGE_PATH_NOT_EXPORTED";
    if (!missing || !(cause as Error).message.includes(name)) throw cause;
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

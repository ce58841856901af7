import { join } from "node:path";
import { CliError } from "../errors.ts";

const SQLITE_BUSY = 5;

/** Where `node:sqlite` needs no flag. */
const NODE = [22, 16] as const;

/**
 * One monitor per folder: an exclusive transaction that never ends, since Node has no file lock of its own. The operating system lets go of
 * it when the process ends, however it ends. Throws `monitor/locked`, and `cli/old-node`.
 */
export async function lockFolder(folder: string): Promise<{ release(): void }> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < NODE[0] || (major === NODE[0] && minor < NODE[1])) {
    throw new CliError(
      "cli/old-node",
      `\`spur monitor\` needs Node ${NODE.join(".")} or newer; this is ${process.versions.node}`,
      {
        hint: "install Node 24; `audit` runs on this one",
      },
    );
  }
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(join(folder, "lock.sqlite"));
  try {
    // Not in WAL mode: there an exclusive transaction would let another process read, and start.
    database.exec("pragma journal_mode = delete; pragma busy_timeout = 0; begin exclusive;");
  } catch (cause) {
    database.close();
    if ((cause as { errcode?: number }).errcode !== SQLITE_BUSY) throw cause;
    throw new CliError("monitor/locked", `another monitor works in ${folder}`, {
      hint: "stop it, or give this one its own --state folder",
      cause,
    });
  }
  return { release: () => database.close() };
}

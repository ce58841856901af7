import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../src/main.ts";
import type { Exit, Io } from "../src/io.ts";

/** A user at a terminal of his own: a folder, a configuration, and what he answers when asked. */
export interface Terminal {
  readonly folder: string;
  /** Runs a command line as a shell would split it (words in single or double quotes stay whole). */
  spur(line: string, options?: { answer?: string; env?: Record<string, string>; tty?: boolean }): Promise<Ran>;
  close(): void;
}

export interface Ran {
  readonly exit: Exit;
  readonly out: string;
  readonly err: string;
  /** What a test of one command mostly wants to see: the output, and the errors after it. */
  readonly text: string;
}

export function openTerminal(env: Record<string, string> = {}): Terminal {
  const folder = mkdtempSync(join(tmpdir(), "spur-cli-"));
  const own = {
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, "config"),
    XDG_STATE_HOME: join(folder, "state"),
    NO_COLOR: "1",
    ...env,
  };
  return {
    folder,
    async spur(line, options = {}) {
      let out = "";
      let err = "";
      const { answer } = options;
      const io: Io = {
        stdout: { write: (text) => (out += text) },
        stderr: { write: (text) => (err += text) },
        env: { ...own, ...options.env },
        cwd: folder,
        isTty: options.tty ?? false,
        now: () => Date.now(),
        ...(answer === undefined
          ? {}
          : {
              ask: async (question: string) => {
                err += `${question}${answer}\n`;
                return Promise.resolve(answer);
              },
            }),
      };
      const exit = await run(words(line), io);
      return { exit, out, err, text: out + err };
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function words(line: string): string[] {
  const found = line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g);
  return [...found].map(([, single, double, plain]) => single ?? double ?? plain ?? "");
}

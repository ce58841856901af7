// The second implementation of every format, in Python, over the vectors of this repository; and over vectors that are wrong.
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../imports.ts";
import { good, holds, lastLine, need, pythonWith, run, type Suite } from "./peer.ts";

const CRYPTOGRAPHY = "cryptography==48.0.0";

export const python: Suite = {
  name: "python",
  about: "vectors/check.py, the formats written a second time",
  async run(say) {
    const system = need("python3", "Python 3.9 or newer");
    const has = await run(system, ["-c", "from cryptography.hazmat.primitives.asymmetric import mldsa"]);
    const own = has.exit === 0 ? system : await pythonWith("vectors", [CRYPTOGRAPHY]);
    const checked = await good(own, ["vectors/check.py"]);
    say(lastLine(checked.out));
    // It must be able to fail: one digit of one expected value is another, in a copy.
    const copy = join(root, "node_modules", ".cache", "spur-peers", "vectors");
    rmSync(copy, { recursive: true, force: true });
    cpSync(join(root, "vectors"), copy, { recursive: true });
    let refused = 0;
    const files = readdirSync(copy).filter((name) => name.endsWith(".json"));
    for (const name of files) {
      const file = join(copy, name);
      const text = readFileSync(file, "utf8");
      const changed = text.replace(
        /[0-9a-f]{63}(?=")/,
        (digits) => (digits.startsWith("0") ? "1" : "0") + digits.slice(1),
      );
      if (changed === text) continue;
      writeFileSync(file, changed);
      const ran = await run(own, [join(copy, "check.py")]);
      holds(`a changed digest in ${name} is noticed (exit 1, was ${ran.exit})`, ran.exit === 1);
      writeFileSync(file, text);
      refused++;
      if (refused === 3) break;
    }
    holds("some vector file could be changed", refused > 0);
    return `${lastLine(checked.out)}; ${refused} changed files were refused`;
  },
};

import type { Command } from "commander";
import { withExamples, type Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { typed } from "../text.ts";

const SHELLS: { readonly [shell: string]: (words: Words) => string } = { bash, zsh, fish };

/** Words that can follow a command ("" = spur itself, "trust", "trust add"). */
type Words = ReadonlyMap<
  string,
  { readonly subcommands: readonly string[]; readonly flags: readonly string[]; readonly about: string }
>;

export function addCompletion(program: Command, context: Context): void {
  const command = program
    .command("completion")
    .summary("a script that lets your shell complete spur's commands")
    .description("Prints a completion script for bash, zsh or fish.")
    .argument("<shell>", "bash, zsh or fish");
  withExamples(
    command,
    `source <(${typed("completion", "bash")})`,
    `${typed("completion", "fish")} > ~/.config/fish/completions/spur.fish`,
  );
  command.action((shell: string) => {
    const script = SHELLS[shell];
    if (script === undefined)
      throw new CliError("cli/option", `no completion for ${shell}`, { hint: "one of bash, zsh, fish" });
    context.io.stdout.write(script(wordsOf(program)));
    context.finish(0);
  });
}

/** From commander's own tree, so that it cannot fall behind. */
function wordsOf(program: Command): Words {
  const words = new Map<string, { subcommands: string[]; flags: string[]; about: string }>();
  const walk = (command: Command, path: string): void => {
    words.set(path, {
      subcommands: command.commands.map((one) => one.name()),
      flags: [...command.options.flatMap((option) => option.long ?? []), "--help"],
      about: command.summary() || command.description().split("\n")[0] || "",
    });
    for (const one of command.commands) walk(one, `${path} ${one.name()}`.trim());
  };
  walk(program, "");
  return words;
}

function candidates(words: Words, path: string): string {
  const { subcommands, flags } = words.get(path) ?? { subcommands: [], flags: [] };
  return [...subcommands, ...flags].join(" ");
}

/** Works in zsh too, through bashcompinit. Where no word of ours fits, files are completed. */
function bash(words: Words): string {
  const groups = [...words]
    .filter(([path, { subcommands }]) => path !== "" && subcommands.length > 0)
    .map(([path]) => path);
  const cases = [...words].map(([path]) => `    "${path}") words="${candidates(words, path)}" ;;`);
  return `# bash completion for spur: source <(npx spur completion bash)
_spur() {
  local path="" words="" word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    [[ "$word" == -* ]] && continue
    case "$path" in
      "") path="$word" ;;
      ${groups.map((group) => `"${group}"`).join("|")}) path="$path $word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _spur spur
`;
}

function zsh(words: Words): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`;
}

function fish(words: Words): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = ["# fish completion for spur", "complete -c spur -f -n __fish_use_subcommand"];
  for (const [path, { flags, about }] of words) {
    const names = path.split(" ");
    const name = names.at(-1) ?? "";
    const seen = (list: readonly string[]) => list.map((one) => `__fish_seen_subcommand_from ${one}`).join("; and ");
    if (path !== "") {
      const parent = names.slice(0, -1);
      const where = parent.length === 0 ? "__fish_use_subcommand" : seen(parent);
      lines.push(`complete -c spur -n ${quote(where)} -a ${name} -d ${quote(about)}`);
    }
    const where = path === "" ? "__fish_use_subcommand" : seen(names);
    for (const flag of flags) lines.push(`complete -c spur -n ${quote(where)} -l ${flag.slice(2)}`);
  }
  return `${lines.join("\n")}\n`;
}

import type { Command } from "commander";
import { withExamples, withJson, type Context } from "../context.ts";
import type { Exit, Io } from "../io.ts";
import { loadOptional } from "../optional.ts";
import { typed } from "../text.ts";

interface StoryModule {
  runStory(
    options: {
      readonly exit: boolean;
      readonly corpus?: string;
      readonly data?: string;
      readonly port?: number;
      readonly json: boolean;
    },
    io: Io,
  ): Promise<Exit>;
}

export function addDemo(program: Command, context: Context): void {
  const command = program
    .command("demo")
    .summary("the whole story in a minute, on this machine: train, serve, ask, prove, remove, tamper, replay")
    .description(
      "Trains a small model, serves it behind the gateway, asks it, proves an answer, removes one, tries to cheat and is refused, and\n" +
        "trains a part again. Every step is real, and checked. Needs Node 24.12 and Spur's repository. It then stays up, unless --exit.",
    )
    .option("--exit", "end after the last step")
    .option("--corpus <path>", "train on these texts, in any language (default: the project's own documents)")
    .option("--data <folder>", "default: ./spur-demo")
    .option("--port <number>", "default: 7787");
  withExamples(withJson(command), typed("demo"), typed("demo", "--exit", "--corpus", "./my-texts"));
  command.action(async (options: { exit?: true; corpus?: string; data?: string; port?: string; json?: true }) => {
    const { runStory } = await loadOptional<StoryModule>("@spur/demo/story", "demo");
    const { exit, corpus, data, port, json } = options;
    context.finish(
      await runStory(
        {
          exit: exit === true,
          json: json === true,
          ...(corpus === undefined ? {} : { corpus }),
          ...(data === undefined ? {} : { data }),
          ...(port === undefined ? {} : { port: Number(port) }),
        },
        context.io,
      ),
    );
  });
}

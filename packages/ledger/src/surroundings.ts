import { createServer } from "node:net";
import { contentDaysOf, type LedgerConfig } from "./config.ts";
import type { DeploymentWanted } from "./deployments.ts";
import { SpurError } from "./errors.ts";
import { discover } from "./gateway/discover.ts";
import { probeUpstream } from "./gateway/upstream.ts";

/** A model to be put behind the gateway. */
export interface ServeModel extends Omit<DeploymentWanted, "upstream"> {
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly listed?: { readonly id: string };
}

/** The models of every upstream that is named, or that listens on loopback; and what the operator should read about them. */
export async function findUpstreams(
  config: LedgerConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly models: readonly ServeModel[]; readonly notices: readonly string[] }> {
  const models: ServeModel[] = [];
  const notices: string[] = [];
  for (const upstream of config.upstreams) {
    const apiKey = upstream.keyEnv === undefined ? undefined : env[upstream.keyEnv];
    if (upstream.keyEnv !== undefined && apiKey === undefined) {
      throw new SpurError("config/upstream-key", `${upstream.keyEnv} is not set`, {
        hint: `Set it to the credential of ${upstream.url}.`,
      });
    }
    const { baseUrl, models: listed } = await probeUpstream(upstream.url, apiKey);
    const wanted = upstream.models === undefined ? listed : listed.filter(({ id }) => upstream.models?.includes(id));
    const contentDays = upstream.content === undefined ? config.contentDays : contentDaysOf(upstream.content);
    const operator = /^https?:\/\/(127\.|localhost|\[::1\])/.test(baseUrl) ? "self" : "third-party";
    const key = apiKey === undefined ? {} : { apiKey };
    for (const one of wanted) models.push({ modelName: one.id, baseUrl, contentDays, operator, listed: one, ...key });
    notices.push(`${upstream.url}: ${wanted.map(({ id }) => id).join(", ") || "no models"}; ${keeps(contentDays)}`);
  }
  if (config.upstreams.length > 0 || !config.discover) return { models, notices };
  const { contentDays } = config;
  const found = await discover();
  for (const { name, baseUrl, models: listed } of found) {
    for (const one of listed) models.push({ modelName: one.id, baseUrl, contentDays, operator: "self", listed: one });
    notices.push(`found ${name} at ${baseUrl}: ${listed.map(({ id }) => id).join(", ")}; ${keeps(contentDays)}`);
  }
  if (found.length === 0) {
    notices.push(
      "No model server was found on this machine: recording only. Three ways to connect one:",
      "  start Ollama, llama.cpp, vLLM or LM Studio on its usual port, and start Spur again",
      "  npx spur up --upstream http://127.0.0.1:8000/v1",
      "  npx spur up --upstream https://api.deepseek.com --upstream-key-env DEEPSEEK_API_KEY",
    );
  }
  return { models, notices };
}

const keeps = (days: number): string =>
  days === 0 ? "contents are not kept" : `contents are kept ${days} days, then removed, on record`;

/** Throws `config/port-taken` before anything is made. Somebody may still take the port until we listen: then the listener says the same. */
export async function demandFreePort(config: Pick<LedgerConfig, "host" | "port">): Promise<void> {
  if (config.port === 0) return;
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once("error", reject);
      probe.listen(config.port, config.host, resolve);
    });
  } catch (cause) {
    throw portTaken(config, cause);
  } finally {
    probe.close();
  }
}

/** What a listener's error means for the operator. */
export function portTaken({ host, port }: Pick<LedgerConfig, "host" | "port">, cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") return cause;
  return new SpurError("config/port-taken", `port ${port} of ${host} is taken`, {
    hint: "Choose another with --port, or 0 for any free one.",
    cause,
  });
}

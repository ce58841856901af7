import { probeUpstream, type ModelObject } from "./upstream.ts";

/** A model server that people run at home, and where it listens unless told otherwise. */
export interface LocalServer {
  readonly name: string;
  readonly port: number;
}

export const LOCAL_SERVERS: readonly LocalServer[] = [
  { name: "Ollama", port: 11434 },
  { name: "llama.cpp", port: 8080 },
  { name: "vLLM", port: 8000 },
  { name: "LM Studio", port: 1234 },
];

/** A local server that answered like an OpenAI-compatible one. */
export interface FoundServer {
  readonly name: string;
  readonly baseUrl: string;
  readonly models: readonly ModelObject[];
}

/**
 * Looks on loopback for model servers, all at once; a port that is silent, slow or somebody else's is left out.
 * The name is a guess from the port. Never throws.
 */
export async function discover(
  servers: readonly LocalServer[] = LOCAL_SERVERS,
  timeoutMs = 300,
): Promise<FoundServer[]> {
  const found = await Promise.all(
    servers.map(async ({ name, port }): Promise<FoundServer[]> => {
      try {
        return [{ name, ...(await probeUpstream(`http://127.0.0.1:${port}/v1`, undefined, timeoutMs)) }];
      } catch {
        return [];
      }
    }),
  );
  return found.flat();
}

import { defineConfig } from "vitest/config";

// `npm test` runs what needs no other software. `npm run peers` sets SPUR_PEERS and runs what needs a browser or a peer.
const peers = process.env["SPUR_PEERS"] === "1";

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "demo/test/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", ...(peers ? [] : ["test/peers/**", "test/browser/**"])],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A test that passes only sometimes is a finding, not weather.
    retry: 0,
  },
});

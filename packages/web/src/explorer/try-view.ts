import { h } from "../dom.ts";
import { copyable } from "../frame.ts";
import { say, type Lang } from "../i18n/lang.ts";

/** Three ways to ask through this ledger, with its own address. */
export function drawTry(lang: Lang, address: string, empty: boolean): HTMLElement {
  const curl = `curl ${address}/v1/chat/completions -i \\
  -H 'authorization: Bearer YOUR_KEY' -H 'content-type: application/json' \\
  -d '{"model":"MODEL","messages":[{"role":"user","content":"Hello"}]}'`;
  const client = `import OpenAI from "openai";
const client = new OpenAI({ baseURL: "${address}/v1", apiKey: "YOUR_KEY" });
const answer = await client.chat.completions.create({
  model: "MODEL",
  messages: [{ role: "user", content: "Hello" }],
});`;
  return h(
    "section",
    { class: "part try" },
    h("h2", {}, say(lang, empty ? "home.empty" : "home.try")),
    h("h3", {}, say(lang, "home.try.curl")),
    copyable(lang, curl),
    h("h3", {}, say(lang, "home.try.client")),
    copyable(lang, client),
    h("h3", {}, say(lang, "home.try.cli")),
    copyable(lang, `npx spur ask Hello --url ${address}`),
    h("p", { class: "soft small" }, say(lang, "home.try.key")),
  );
}

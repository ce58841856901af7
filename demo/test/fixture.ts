import { createHash } from "node:crypto";
import { datasetBytes, prepareCorpus } from "../src/corpus.ts";
import { nextBelow, rngFromSeed } from "../src/exact-math.ts";
import type { TrainConfig } from "../src/train-config.ts";

/** Sentences of one pattern a language: enough rule for a small model to learn, and new combinations to hold out. */
const PATTERNS = {
  en: {
    pattern: (a: string, b: string, c: string, d: string) => `The ${a} ${b} the ${c} before the ${d} reads it.`,
    words: [
      ["witness", "operator", "auditor", "reviewer", "lawyer", "engineer", "customer", "gateway"],
      ["signs", "keeps", "checks", "publishes", "stores", "removes", "opens", "copies"],
      ["checkpoint", "receipt", "evidence", "record", "payload", "dataset", "model", "statement"],
      ["newspaper", "ministry", "regulator", "court", "public", "neighbour", "partner", "user"],
    ],
  },
  de: {
    pattern: (a: string, b: string, c: string, d: string) =>
      `Vor jeder Prüfung ${b} ${a} ${c}, damit ${d} nichts verliert.`,
    words: [
      [
        "der Zeuge",
        "der Betreiber",
        "die Prüferin",
        "der Anwalt",
        "die Ärztin",
        "der Kunde",
        "die Behörde",
        "das Gericht",
      ],
      ["zählt", "prüft", "öffnet", "löscht", "unterschreibt", "verschlüsselt", "bewahrt", "schließt"],
      [
        "das Protokoll",
        "die Quittung",
        "den Beleg",
        "das Modell",
        "den Schlüssel",
        "die Spur",
        "den Datensatz",
        "das Register",
      ],
      [
        "die Öffentlichkeit",
        "die Zeitung",
        "der Käufer",
        "die Gemeinde",
        "der Nachbar",
        "die Universität",
        "der Verein",
        "die Bürgerin",
      ],
    ],
  },
  zh: {
    pattern: (a: string, b: string, c: string, d: string) => `在${d}读取之前，${a}必须${b}每一份${c}。`,
    words: [
      ["见证人", "运营者", "审计员", "律师", "工程师", "客户", "法院", "监管机构"],
      ["签署", "保存", "检查", "公布", "删除", "打开", "复制", "加密"],
      ["检查点", "收据", "证据", "记录", "数据集", "模型", "声明", "日志"],
      ["报社", "公众", "合作伙伴", "用户", "邻居", "大学", "协会", "市民"],
    ],
  },
} as const;

export const FIXTURE_FILES = (["en", "de", "zh"] as const).map((language, stream) => {
  const { pattern, words } = PATTERNS[language];
  const rng = rngFromSeed(1, stream);
  const pick = (i: number): string => words[i]![nextBelow(rng, 8)]!;
  const sentences = Array.from({ length: 200 }, () => pattern(pick(0), pick(1), pick(2), pick(3)));
  return { name: `fixture.${language}.md`, bytes: new TextEncoder().encode(sentences.join("\n\n")) };
});

export const FIXTURE_ROWS = prepareCorpus(FIXTURE_FILES, 7).rows;
export const FIXTURE_DATASET = datasetBytes(FIXTURE_ROWS);

/** Seconds, not minutes. */
export const TINY_CONFIG: TrainConfig = {
  format: "spur-demo-train/v1",
  seed: 7,
  steps: 30,
  stepTokens: 50,
  checkpointEvery: 10,
  evaluateEvery: 10,
  evaluateTokens: 200,
  vocabulary: 600,
  context: 4,
  hidden: 10,
  order: 3,
  directWeights: 8192,
  learningRate: "0.07",
  directLearningRate: "0.15",
  runDropPercent: 30,
  hiddenDropPercent: 30,
};

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

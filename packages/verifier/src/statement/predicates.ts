import { access } from "./predicates/access.ts";
import { alert } from "./predicates/alert.ts";
import { checkpoint } from "./predicates/checkpoint.ts";
import { dataRun } from "./predicates/data-run.ts";
import { dataset } from "./predicates/dataset.ts";
import { decision } from "./predicates/decision.ts";
import { deployment } from "./predicates/deployment.ts";
import { foreign } from "./predicates/foreign.ts";
import { key } from "./predicates/key.ts";
import { model } from "./predicates/model.ts";
import { output } from "./predicates/output.ts";
import { policy } from "./predicates/policy.ts";
import { registers } from "./predicates/registers.ts";
import { removal } from "./predicates/removal.ts";
import { replay } from "./predicates/replay.ts";
import { source } from "./predicates/source.ts";
import { successor } from "./predicates/successor.ts";
import { trainingLog } from "./predicates/training-log.ts";
import { trainingRun } from "./predicates/training-run.ts";
import type { Predicate } from "./predicate.ts";

const ALL: readonly Predicate[] = [
  access, alert, checkpoint, dataRun, dataset, decision, deployment, foreign, key, model, output, policy,
  registers, removal, replay, source, successor, trainingLog, trainingRun,
]; // prettier-ignore

/** Every predicate type this version knows, by type. An unknown type is "not checked", never "fail". */
export const PREDICATES: ReadonlyMap<string, Predicate> = new Map(ALL.map((one) => [one.type, one]));

/** What an audit of a whole log says beyond the sentences of a report: apart, since no page makes one. */
export const AUDIT_ENGLISH = {
  "audit/entries": "Every entry is a well-formed record (entries: {count}).",
  "audit/root": "The entries give exactly the root that was signed for size {size}.",
  "audit/root-refuted": "The entries do not give the root that was signed for size {size}.",
  "audit/short": "Of {size} entries, {count} were audited.",
  "audit/references": "Every reference leads to the record it means (references: {count}).",
  "audit/registers":
    "Every register is numbered without a gap (registers: {count}), and every closing agrees (closings: {closings}).",
  "audit/hours": "The recorded hours never run backwards by more than one.",
  "audit/hour": "Entry {index} says {at}, but an earlier entry said {before}.",
  "audit/withheld": "Entries are withheld, as the log itself says ({count}): what they hold is not checked.",
  "audit/withheld-silently": "Entry {index} is withheld, and no removal in the log says so.",
  "audit/unknown": "Entries are of a kind that this version does not know ({count}): what they say is not checked.",
  "audit/removals-open": "Removals are ordered and not completed ({count}), the first in entry {index}.",
  "audit/second-order": "Entry {index} orders a removal while the one that entry {other} ordered is still open.",
  "audit/order": "Entry {index} ends a removal that was not ordered for this record, or has ended already.",
  "audit/taken-back": "The log took back its own key in entry {index}, and entries stand under it nevertheless.",
  "audit/more": "There are more findings like these ({count}).",
} as const;

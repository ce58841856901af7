import { useMlDsa44 } from "@spur/verifier/note/cosignature";
import { verifyMlDsa44 } from "@spur/verifier/note/ml-dsa";

// The verifier leaves this check out of pages for its size. Logs may sign with it, and so do we: whoever opens a note here imports this.
useMlDsa44(verifyMlDsa44);

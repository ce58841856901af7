/** Whether a caller who sends this `Accept-Encoding` takes gzip (RFC 9110 §12.5.3). Nothing sent: he may, but we do not count on it. */
export function acceptsGzip(header: string | undefined): boolean {
  let others = false;
  for (const part of listed(header)) {
    const [coding = "", ...parameters] = part.split(";").map((one) => one.trim().toLowerCase());
    const weight = parameters.find((one) => one.startsWith("q="))?.slice(2);
    const wanted = weight === undefined || Number(weight) > 0;
    if (coding === "gzip" || coding === "x-gzip") return wanted;
    if (coding === "*") others = wanted;
  }
  return others;
}

/** Whether `If-None-Match` names this tag, by weak comparison (RFC 9110 §13.1.2): then the caller has what he asks for. */
export function hasTag(header: string | undefined, tag: string): boolean {
  const plain = (one: string): string => one.replace(/^W\//, "");
  return listed(header).some((one) => one === "*" || plain(one) === plain(tag));
}

const listed = (header = ""): string[] =>
  header
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");

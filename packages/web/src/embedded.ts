/** The id of the inert element that holds evidence inside a page. */
export const EVIDENCE_ID = "spur-evidence";

/**
 * The evidence inside a page made by `htmlWithEvidence`; undefined if there is none, or more than one. Written as `[<]` because this runs
 * inside verify.html too, where a script must not hold the opening of a script.
 */
export function evidenceInHtml(html: string): Uint8Array | undefined {
  const found = [
    ...html.matchAll(/[<]script type="application\/octet-stream" id="spur-evidence">([A-Za-z0-9+/=]*)[<]/g),
  ];
  const text = found.length === 1 ? found[0]?.[1] : undefined;
  return text === undefined ? undefined : decode(text);
}

/** The evidence inside the page that runs this; undefined if there is none. */
export function evidenceInPage(page: Document): Uint8Array | undefined {
  const text = page.getElementById(EVIDENCE_ID)?.textContent;
  return text === undefined ? undefined : decode(text);
}

function decode(text: string): Uint8Array | undefined {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
}

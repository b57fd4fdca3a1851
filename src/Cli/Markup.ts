/** What the pages and drawings of the command have in common: escapes, and colours for light and dark. Pure. */

/** Characters that have a meaning in HTML and XML, those that XML 1.0 cannot have, and those that reverse the text. */
const special =
  // oxlint-disable-next-line no-control-regex
  /[&<>"'\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&#39;"
}

/**
 * Text of unknown origin, for HTML and XML: in an element, or in an attribute with quotes. Characters that cannot be
 * shown appear as `?`, as on a terminal.
 */
export const escape = (text: string): string => text.toWellFormed().replace(special, (one) => entities[one] ?? "?")

/** Colours and type for light and dark. */
export const style =
  `:root{color-scheme:light dark;--page:#fff;--text:#1c2126;--quiet:#5b6670;--line:#dde2e6;--hover:#f1f4f6;
--link:#0b57c4;--folder:#c98a1b;--up:#1a7f42;--down:#c2281d;--warn:#b96b00}
@media(prefers-color-scheme:dark){:root{--page:#14181c;--text:#e3e7ea;--quiet:#9aa5ae;--line:#2b3238;--hover:#1d2328;
--link:#7fb2ff;--folder:#e0ab4e;--up:#5ccf86;--down:#ff8a80;--warn:#e8a13c}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:1rem/1.45 system-ui,sans-serif}
a{color:var(--link)}
h1{font-size:1.3rem}`

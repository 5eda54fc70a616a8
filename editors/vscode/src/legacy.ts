// Tells Packer's legacy JSON templates from other JSON files. In: the text of a file, perhaps half written. Out: yes or no.

/** The most text that is looked at; templates name their builders near the top or are small. */
const LOOK_AT = 1_000_000;

/** Whether a JSON text looks like a legacy template: an object whose `builders` is a list of objects with a `type`. */
export function looksLikeLegacyTemplate(text: string): boolean {
  const head = text.slice(0, LOOK_AT);
  // Cheap, and false for nearly every JSON file there is.
  if (!/"builders"\s*:/.test(head)) return false;
  try {
    return hasBuilders(JSON.parse(text));
  } catch {
    // Half written, or with comments: the shape near the key decides.
    return /^\uFEFF?\s*\{/.test(head) && /"builders"\s*:\s*\[\s*\{[^\]]*?"type"\s*:/.test(head);
  }
}

function hasBuilders(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { builders } = value as { builders?: unknown };
  return (
    Array.isArray(builders) &&
    builders.length > 0 &&
    builders.every(
      (one: unknown) => typeof one === "object" && one !== null && "type" in one && typeof one.type === "string",
    )
  );
}

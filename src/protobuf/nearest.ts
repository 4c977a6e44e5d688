/**
 * The known name nearest to a misspelt one: by letters without case and underscores, by common
 * beginning, then by edit distance.
 */

/** Up to three names, best first; none where nothing is near. */
export function nearestNames(name: string, known: Iterable<string>): readonly string[] {
  if (name.length > 64) return [];
  const wanted = plain(name);
  return [...known]
    .map((candidate) => ({ candidate, distance: distance(wanted, plain(candidate)) }))
    .filter(({ distance }) => distance <= Math.min(3, Math.max(1, wanted.length / 2)))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .filter(({ distance }, index, list) => index === 0 || distance === list[0]?.distance)
    .map(({ candidate }) => candidate);
}

/** `did you mean a, b or c?`; undefined where nothing is near. */
export function suggestion(name: string, known: Iterable<string>): string | undefined {
  const names = nearestNames(name, known);
  const last = names.at(-1);
  if (last === undefined) return undefined;
  const head = names.slice(0, -1).join(", ");
  return `Did you mean ${head === "" ? last : `${head} or ${last}`}?`;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll("_", "");
}

/** A name that only lacks its end is half an edit away, whatever the length of the end. */
function distance(name: string, candidate: string): number {
  if (name === candidate) return 0;
  if (name.length >= 3 && candidate.startsWith(name)) return 0.5;
  return editDistance(name, candidate);
}

/** Levenshtein distance: insertions, deletions and substitutions. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
